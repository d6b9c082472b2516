// The console's own script: what HTML cannot do by itself. Every page works without it, but for copying and downloading.
// One module, no inline code, no eval, and nothing that turns text into markup.
const $ = (selector, root = document) => root.querySelector(selector);
const $$ = (selector, root = document) => [...root.querySelectorAll(selector)];
const live = $("#live");
const dialog = $("#dialog");
document.documentElement.dataset.script = "on";

// An open dialog makes the rest of the page deaf and dumb: what is said while one is open is said in it.
function say(text) {
  const place = (dialog?.open && $("[data-live]", dialog)) || live;
  place.textContent = "";
  requestAnimationFrame(() => { place.textContent = text; });
}

// What did not work is told beside what stands there, and not in its place: that is what somebody has typed.
function trouble() {
  calm();
  const note = document.importNode($("#trouble").content, true);
  (dialog?.open ? $(".d-body", dialog) : $(".wrap"))?.prepend(note);
}
function calm() {
  for (const note of $$("[data-trouble]")) note.remove();
}

// A link's token stands behind the "#", which no server sees. It moves into the form, and out of the address.
const token = $("[data-token] input");
function takeToken() {
  if (token && location.hash.length > 20) { // shorter ones are places on the page
    token.value = location.hash.slice(1);
    history.replaceState(null, "", location.pathname + location.search);
  }
  if (!token || !token.value) return;
  token.closest("[data-token]").classList.add("has-token");
  if (token.form.dataset.enters !== undefined) token.form.requestSubmit(); // nothing else is asked for there
}
takeToken();
window.addEventListener("hashchange", takeToken); // another link, opened where this page is open already

// All tabs share one session. What is asked for from here is asked for in the account that this page shows, or not at all.
document.addEventListener("htmx:config:request", (event) => {
  if (document.body.dataset.account) event.detail.ctx.request.headers["Keywright-Account"] = document.body.dataset.account;
});

// Copying: the clipboard where there is one; the old way on plain http, where browsers have none; at last by hand.
async function copied(text) {
  if (navigator.clipboard && window.isSecureContext) {
    try { await navigator.clipboard.writeText(text); return true; } catch { /* the old way, then */ }
  }
  const area = document.createElement("textarea");
  area.value = text;
  area.readOnly = true;
  area.className = "sr";
  ($("dialog[open]")?.firstElementChild ?? document.body).append(area); // not to the dialog: that would be another one
  area.select();
  let done = false;
  try { done = document.execCommand("copy"); } catch { done = false; }
  area.remove();
  return done;
}

async function copy(button) {
  const source = $(button.dataset.copy);
  const label = $(".lab", button);
  label.dataset.was ??= label.textContent;
  clearTimeout(label.dataset.back);
  if (!(await copied(source.textContent.trim()))) {
    getSelection().selectAllChildren(source);
    label.textContent = button.dataset.byHand;
    say(button.dataset.blocked);
    return;
  }
  button.focus();
  label.textContent = button.dataset.copied;
  say(button.dataset.said);
  if (button.dataset.keeps !== undefined) keep();
  label.dataset.back = setTimeout(() => { label.textContent = label.dataset.was; }, 2400);
}

function download(button) {
  const name = `${button.dataset.env}=${$("#secret").textContent.trim()}\n`;
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([name], { type: "text/plain" }));
  link.download = ".env";
  link.click();
  URL.revokeObjectURL(link.href);
  keep();
  say(button.dataset.said);
}

// The shown-once dialog closes only when the key has been copied, downloaded or ticked off.
const guard = () => $("[data-guard]");
function keep() {
  const shown = guard();
  if (!shown) return;
  shown.dataset.kept = "";
  $("[data-stored]", shown).checked = true;
  $("[data-unsaved-note]", shown).hidden = true;
}
function mayClose() {
  const shown = guard();
  if (!shown || shown.dataset.kept !== undefined) return true;
  $("[data-unsaved-note]", shown).hidden = false;
  $("[data-stored]", shown).focus();
  say(shown.dataset.unsaved);
  return false;
}
function close() {
  if (!mayClose()) return;
  // Where "Done" leads. Not to the page that lies behind: that may be the form itself, opened in a tab of its own.
  const next = guard() && $("[data-done]", dialog).href;
  dialog.close();
  dialog.replaceChildren();
  // The list has a new key now. Nothing of the old one stays behind, not even in the browser's memory of this page.
  if (next) location.assign(next);
}
window.addEventListener("beforeunload", (event) => {
  const shown = guard();
  if (shown && shown.dataset.kept === undefined) event.preventDefault();
});
window.addEventListener("pagehide", () => { if (guard()) guard().remove(); });

// What htmx puts into the dialog opens it; where the focus was, it goes back to by itself. It has no settle delay (see the
// page's head): within one, whoever is quick would send the form that they see without htmx.
if (dialog) {
  new MutationObserver(() => {
    if (!dialog.firstElementChild) return;
    const title = $("h2", dialog);
    if (title) dialog.setAttribute("aria-labelledby", title.id);
    if (!dialog.open) dialog.showModal();
    prepare(dialog);
    ($("[autofocus]", dialog) ?? $("[data-keeps]", dialog) ?? $("a, button, input", dialog))?.focus();
  }).observe(dialog, { childList: true });
  dialog.addEventListener("cancel", (event) => { event.preventDefault(); close(); });
  // Esc pressed often enough closes a dialog whatever its page says to the first: the key comes back.
  dialog.addEventListener("close", () => { if (guard()) { dialog.showModal(); close(); } });
  // Beside the dialog is what was pressed there and let go there: marking text may end outside. And the second click of
  // two was meant for what the first has opened the dialog with.
  let pressed = null;
  dialog.addEventListener("pointerdown", (event) => { pressed = event.target; });
  dialog.addEventListener("click", (event) => {
    if (event.target === dialog && pressed === dialog && event.detail < 2) close();
  });
}

// What a page asks for by itself, time after time, is nobody's wish: it leads nowhere and complains of nothing.
const polls = (element) => Boolean(element?.getAttribute("hx-trigger")?.startsWith("every"));
document.addEventListener("htmx:before:response", (event) => {
  const { sourceElement: from, target, response } = event.detail.ctx;
  if (polls(from)) {
    if (response.status === 200) return;
    event.preventDefault();
    if (response.status < 500) from.remove(); // the session has ended, or the key is gone: asking again changes nothing
  } else if (response.status === 409 && target !== dialog) {
    event.preventDefault();
    location.reload(); // in another tab they have gone to another account: this page is that one's now
  } else if (response.status >= 500 || (response.status >= 400 && target !== dialog)) {
    event.preventDefault();
    trouble();
  } else calm();
});
document.addEventListener("htmx:error", (event) => { if (!polls(event.detail.ctx?.sourceElement)) trouble(); });

// Where the list has been exchanged it is said what is there now; and who pressed what is gone stands where it begins.
document.addEventListener("htmx:after:swap", (event) => {
  const results = $("#results");
  if (!results || !["keys", "results"].includes(event.detail.ctx.target?.id)) return;
  if (document.activeElement === document.body) results.focus();
  say($("[data-tells]", results)?.textContent ?? "");
});

// A new tab or window is the browser's to open.
document.addEventListener("click", (event) => {
  const elsewhere = event.ctrlKey || event.metaKey || event.shiftKey;
  if (elsewhere && event.target.closest("a[hx-get]")) event.stopImmediatePropagation();
}, true);

function prepare(root) {
  for (const panel of $$("[data-later]", root)) panel.hidden = true;
  const want = $("[data-want]", root);
  const confirms = $("[data-confirms]", root);
  if (want && confirms) {
    const check = () => confirms.setAttribute("aria-disabled", String(want.value.trim() !== want.dataset.want));
    want.addEventListener("input", check);
    check();
  }
  $("[data-stored]", root)?.addEventListener("change", (event) => {
    if (event.target.checked) keep(); else delete guard().dataset.kept;
  });
}
prepare(document);
$("[data-guard] [data-keeps]")?.focus(); // a key on a page of its own

document.addEventListener("click", (event) => {
  const at = event.target.closest("[data-copy], [data-env], [data-close], [data-passkey], [role=tab]");
  if (!at) return;
  if (at.dataset.copy) copy(at);
  if (at.dataset.env) download(at);
  if (at.dataset.passkey) passkey(at);
  if (at.getAttribute("role") === "tab") pick(at);
  if (at.dataset.close !== undefined) {
    if (dialog?.open && dialog.contains(at)) { event.preventDefault(); close(); }
    else if (!mayClose()) event.preventDefault();
  }
});

// Passkeys. The server says what to ask the authenticator, and judges its answer; here both are only handed on.
async function passkey(button) {
  const failed = $("[data-passkey-failed]", button.form);
  if (!button.form.reportValidity()) return;
  failed.hidden = true;
  button.disabled = true;
  try {
    const answer = await fetch(button.dataset.options, { method: "POST" });
    if (answer.status === 403) return location.reload(); // the page itself asks first who it is
    if (!answer.ok) throw new Error(answer.statusText);
    const asked = await answer.json();
    const made = button.dataset.passkey === "create"
      ? await navigator.credentials.create({ publicKey: PublicKeyCredential.parseCreationOptionsFromJSON(asked) })
      : await navigator.credentials.get({ publicKey: PublicKeyCredential.parseRequestOptionsFromJSON(asked) });
    button.form.elements[button.dataset.field].value = JSON.stringify(made);
    button.form.submit();
  } catch {
    failed.hidden = false;
    button.disabled = false;
    button.focus();
  }
}
if (window.PublicKeyCredential?.parseRequestOptionsFromJSON) {
  for (const button of $$("[data-passkey]")) button.hidden = false;
  for (const hint of $$("[data-no-passkeys]")) hint.hidden = true;
}
// Enter in a field is a click on the button: the form is nothing without the passkey.
document.addEventListener("submit", (event) => {
  const button = $("[data-passkey]", event.target);
  if (!button) return;
  event.preventDefault();
  passkey(button);
});

// Tabs: arrow keys, one stop for the whole row.
function pick(tab) {
  for (const each of $$("[role=tab]", tab.parentNode)) {
    const on = each === tab;
    each.setAttribute("aria-selected", String(on));
    each.tabIndex = on ? 0 : -1;
    document.getElementById(each.getAttribute("aria-controls")).hidden = !on;
  }
  tab.focus();
}

document.addEventListener("keydown", (event) => {
  if (event.target.getAttribute?.("role") === "tab" && (event.key === "ArrowRight" || event.key === "ArrowLeft")) {
    const all = $$("[role=tab]", event.target.parentNode);
    pick(all[(all.indexOf(event.target) + (event.key === "ArrowRight" ? 1 : all.length - 1)) % all.length]);
  }
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, textarea, select, dialog")) return;
  if (event.key === "/" && $("#q")) { event.preventDefault(); $("#q").focus(); }
  if (event.key === "c") $("[data-shortcut=c]")?.click();
});

// A button that cannot be used yet says so, and does nothing.
document.addEventListener("submit", (event) => {
  if (event.submitter?.getAttribute("aria-disabled") === "true") {
    event.preventDefault();
    event.stopImmediatePropagation();
  }
}, true);

// A form on a page of its own is sent once: of two answers the browser shows the second, and the key is in the first.
document.addEventListener("submit", (event) => {
  if (event.target.dataset.sent !== undefined) event.preventDefault();
  else if (event.target.closest(".sheet")) event.target.dataset.sent = "";
});
window.addEventListener("pageshow", () => { for (const form of $$("[data-sent]")) delete form.dataset.sent; });

// Who pastes a whole key into the search looks for that key. It stays here: only its end is asked for.
document.addEventListener("input", (event) => {
  const key = event.target.id === "q" && /[0-9A-Za-z]{24,}(?=[^0-9A-Za-z]*$)/.exec(event.target.value);
  if (key) event.target.value = key[0].slice(-4);
}, true);
