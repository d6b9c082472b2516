-- The action `lua.keywright`: asks Keywright's gate about a request, and refuses it or lets it go on.
--
-- It lets a request go on by setting txn.keywright to "passed", and in no other way: haproxy.cfg refuses whatever comes
-- out of here without it. HAProxy goes on after an error in a script as if nothing had happened, so the word must be said.

-- Keywright, and the route to ask: /v1/gate, or one of your own with `dialect = "plain"`, such as /v1/gate/orders.
local GATE = "http://127.0.0.1:8460/v1/gate"
-- HAProxy asks up to four times, so that this is 5 seconds in all.
local TIMEOUT_MS = 1250

-- Of the client's headers, what the gate looks at. Each with all its values: two different keys are a 400.
local ASKED_WITH = { "x-api-key", "authorization", "accept", "user-agent" }

-- Who passes. Every one is set, blank where there is nothing to tell.
local IDENTITY = {
    "x-auth-key-id", "x-auth-account-id", "x-auth-key-name", "x-auth-scopes", "x-auth-environment", "x-auth-token",
    "x-auth-limits", "x-auth-status", "x-auth-error",
}

-- Where the limits stand; the client is told with every answer, and haproxy.cfg has a line for each.
local RATE = {
    ["x-ratelimit-limit"] = "txn.rate_limit",
    ["x-ratelimit-remaining"] = "txn.rate_left",
    ["x-ratelimit-reset"] = "txn.rate_reset",
    ["ratelimit-policy"] = "txn.rate_policy",
    ["ratelimit"] = "txn.rate_standing",
}

-- What a refusal has besides.
local REFUSED_WITH = {
    "content-type", "www-authenticate", "retry-after", "cache-control", "x-content-type-options", "x-request-id",
}

local function first(headers, name)
    return headers[name] and headers[name][0]
end

local function question(txn)
    local sent = txn.http:req_get_headers()
    local headers = {
        ["x-forwarded-for"] = { txn.sf:src() },
        ["x-forwarded-method"] = { txn.sf:method() },
        ["x-forwarded-uri"] = { txn.sf:path() },
        -- Where addresses do not tell HAProxy from others: the gate_secret of Keywright's settings.
        -- ["x-gate-secret"] = { "..." },
    }
    for _, name in ipairs(ASKED_WITH) do
        local values = {}
        for _, value in pairs(sent[name] or {}) do
            values[#values + 1] = value
        end
        if #values > 0 then
            headers[name] = values
        end
    end
    return headers
end

local function refuse(txn, answer)
    local reply = txn:reply({ status = answer.status, body = answer.body })
    for _, name in ipairs(REFUSED_WITH) do
        if first(answer.headers, name) then
            reply:add_header(name, first(answer.headers, name))
        end
    end
    for name, _ in pairs(RATE) do
        if first(answer.headers, name) then
            reply:add_header(name, first(answer.headers, name))
        end
    end
    txn:done(reply)
end

local function let_go_on(txn, answer)
    for _, name in ipairs(IDENTITY) do
        txn.http:req_set_header(name, first(answer.headers, name) or "")
    end
    for name, variable in pairs(RATE) do
        if first(answer.headers, name) then
            txn:set_var(variable, first(answer.headers, name))
        end
    end
    txn:set_var("txn.keywright", "passed")
end

core.register_action("keywright", { "http-req" }, function(txn)
    local answer = core.httpclient():get({ url = GATE, headers = question(txn), timeout = TIMEOUT_MS })
    -- Whatever answers without X-Auth-Status is not the gate. Where it is blank, the gate does not know this HAProxy, or
    -- the route.
    local status = answer.headers and first(answer.headers, "x-auth-status") or ""
    if status == "200" and answer.status == 200 then
        let_go_on(txn, answer)
    elseif status ~= "" and answer.status >= 400 then
        refuse(txn, answer)
    end
end, 0)
