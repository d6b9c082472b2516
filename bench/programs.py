"""The peers as programs: each is called with `make`, `serve PORT` or `revoke KEY`, in a directory of its own.

`make` fills the peer's own store and writes the keys, one a line, to the file `made`. Nothing here is imported: they
run in an environment of their own, with the versions of requirements/peers.txt. Each is set up as its documentation
says, and where that leaves a choice, in its own favour: no debugging, connections kept, SQLite with a write-ahead log.
"""

from __future__ import annotations

HANDWRITTEN = """
import hashlib, secrets, sqlite3, sys
import uvicorn
from fastapi import Depends, FastAPI, HTTPException, Request
from slowapi import Limiter, _rate_limit_exceeded_handler
from slowapi.errors import RateLimitExceeded

store = sqlite3.connect("keys.db", check_same_thread=False, isolation_level=None)
store.execute("PRAGMA journal_mode=WAL")

def digest(key):
    return hashlib.sha256(key.encode()).digest()

if sys.argv[1] == "make":
    store.execute("CREATE TABLE keys (digest BLOB PRIMARY KEY, name TEXT) WITHOUT ROWID")
    made = ["sk_" + secrets.token_urlsafe(32) for _ in range(10_000)]
    store.execute("BEGIN")
    store.executemany("INSERT INTO keys VALUES (?, ?)", [(digest(key), f"key {n}") for n, key in enumerate(made)])
    store.execute("COMMIT")
    open("made", "w").write("\\n".join(made))
    sys.exit()
if sys.argv[1] == "revoke":
    store.execute("DELETE FROM keys WHERE digest = ?", (digest(sys.argv[2]),))
    sys.exit()

limiter = Limiter(key_func=lambda request: request.headers.get("x-api-key", ""))
app = FastAPI()
app.state.limiter = limiter
app.add_exception_handler(RateLimitExceeded, _rate_limit_exceeded_handler)

async def checked(request: Request):
    key = request.headers.get("x-api-key", "")
    row = store.execute("SELECT name FROM keys WHERE digest = ?", (digest(key),)).fetchone()
    if row is None:
        raise HTTPException(401)
    return row[0]

@app.get("/")
@limiter.limit("1000000000/hour")
async def answer(request: Request, name: str = Depends(checked)):
    return {"name": name}

uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[2]), loop="uvloop", http="httptools", log_level="warning",
            access_log=False)
"""

DJANGO = """
import os, sys
import django
from django.conf import settings

settings.configure(
    SECRET_KEY=os.urandom(32).hex(), DEBUG=False, ALLOWED_HOSTS=["127.0.0.1"], ROOT_URLCONF="program", MIDDLEWARE=[],
    INSTALLED_APPS=["django.contrib.contenttypes", "django.contrib.auth", "rest_framework", "rest_framework_api_key"],
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": "keys.db", "CONN_MAX_AGE": None}},
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField", USE_TZ=True,
    REST_FRAMEWORK={"DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
                    "DEFAULT_AUTHENTICATION_CLASSES": [], "UNAUTHENTICATED_USER": None},
)
django.setup()
from django.core.management import call_command
from django.core.wsgi import get_wsgi_application
from django.db import connection
from django.urls import path
from rest_framework.response import Response
from rest_framework.views import APIView
from rest_framework_api_key.models import APIKey
from rest_framework_api_key.permissions import HasAPIKey

class Answer(APIView):
    permission_classes = [HasAPIKey]

    def get(self, request):
        return Response({"ok": True})

urlpatterns = [path("", Answer.as_view())]
app = get_wsgi_application()

if __name__ == "__main__" and sys.argv[1] == "make":
    connection.cursor().execute("PRAGMA journal_mode=WAL")
    call_command("migrate", verbosity=0)
    rows = [APIKey(name=f"key {n}") for n in range(10_000)]
    made = [APIKey.objects.assign_key(row) for row in rows]
    APIKey.objects.bulk_create(rows)
    open("made", "w").write("\\n".join(made))
elif __name__ == "__main__" and sys.argv[1] == "revoke":
    row = APIKey.objects.get_from_key(sys.argv[2])
    row.revoked = True
    row.save()
elif __name__ == "__main__":
    granian = os.path.join(os.path.dirname(sys.executable), "granian")
    os.execv(granian, [granian, "--interface", "wsgi", "--host", "127.0.0.1", "--port", sys.argv[2], "--workers", "1",
                       "--blocking-threads", "1", "--log-level", "warning", "program:app"])
"""

KEYSHIELD = """
import asyncio, os, secrets, sys
import aiocache, uvicorn
from fastapi import Depends, FastAPI
from sqlalchemy import insert, select, text
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from keyshield import ApiKey
from keyshield.api import create_depends_api_key
from keyshield.hasher.argon2 import Argon2ApiKeyHasher
from keyshield.repositories.sql import ApiKeyModel, SqlAlchemyApiKeyRepository
from keyshield.services.cached import CachedApiKeyService

engine = create_async_engine("sqlite+aiosqlite:///keys.db")
sessions = async_sessionmaker(engine, class_=AsyncSession, expire_on_commit=False)
hasher = Argon2ApiKeyHasher(pepper="the same in each process of this measurement")
cache = aiocache.SimpleMemoryCache()
# Its defaults wait 0.1 to 0.3 s at each answer, with the transaction open: SQLite would be locked most of the time.
NO_DELAY = {"min_delay": 0.0, "max_delay": 0.0}

async def session():
    async with sessions() as opened, opened.begin():
        yield opened

async def service(opened: AsyncSession = Depends(session)):
    return CachedApiKeyService(SqlAlchemyApiKeyRepository(opened), hasher, cache, **NO_DELAY)

async def make():
    async with sessions() as opened, opened.begin():
        keys = await service(opened)
        await keys._repo.ensure_table(engine)
        made = [(await keys.create(name=f"key {n}"))[1] for n in range(16)]
        table = ApiKeyModel.__table__
        row = dict((await opened.execute(select(table).limit(1))).mappings().one())
        unique = [name for name in row if table.c[name].primary_key or name in ("key_id", "key_hash")]
        rows = [row | {name: secrets.token_hex(8) for name in unique} for _ in range(10_000 - len(made))]
        await opened.execute(insert(table), rows)
    async with engine.connect() as connection:
        await connection.execute(text("PRAGMA journal_mode=WAL"))
    open("made", "w").write("\\n".join(made))

async def revoke(key):
    async with sessions() as opened, opened.begin():
        keys = await service(opened)
        entity = await keys.get_by_key_id(key.split("-")[1])
        entity.disable()
        await keys.update(entity)

if sys.argv[1] == "make":
    asyncio.run(make())
elif sys.argv[1] == "revoke":
    asyncio.run(revoke(sys.argv[2]))
else:
    app = FastAPI()
    checked = create_depends_api_key(service)

    @app.get("/")
    async def answer(key: ApiKey = Depends(checked)):
        return {"id": key.id_}

    uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[2]), loop="uvloop", http="httptools", log_level="warning",
                access_log=False)
"""

BETTER_AUTH_PACKAGE = """
{"name": "peer", "private": true, "type": "module", "dependencies": {"better-auth": "1.7.5",
 "@better-auth/api-key": "1.7.5", "@better-auth/core": "1.7.5", "@better-auth/utils": "0.4.2", "better-call": "1.4.0"}}
"""

BETTER_AUTH = """
import { createHash, randomBytes } from "node:crypto";
import { createServer } from "node:http";
import { readFileSync, writeFileSync } from "node:fs";
import { betterAuth } from "better-auth";
import { memoryAdapter } from "better-auth/adapters/memory";
import { apiKey } from "@better-auth/api-key";

if (process.argv[2] === "make") {
  const made = Array.from({ length: 10000 }, () => randomBytes(48).toString("base64url"));
  writeFileSync("made", made.join("\\n"));
  process.exit(0);
}
const store = new Map();
const now = new Date();
const user = { id: "user", name: "user", email: "user@example.com", emailVerified: true, createdAt: now,
  updatedAt: now };
const auth = betterAuth({
  secret: randomBytes(32).toString("hex"),
  baseURL: "http://127.0.0.1",
  telemetry: { enabled: false },
  logger: { level: "error" },
  database: memoryAdapter({ user: [user], session: [], account: [], verification: [], apikey: [] }),
  secondaryStorage: {
    get: (name) => store.get(name) ?? null,
    set: (name, value) => void store.set(name, value),
    delete: (name) => void store.delete(name),
  },
  plugins: [apiKey({
    storage: "secondary-storage",
    rateLimit: { enabled: true, timeWindow: 3600000, maxRequests: 1000000000 },
  })],
});
const first = await auth.api.createApiKey({ body: { userId: "user", name: "key" } });
const kept = JSON.parse(store.get("api-key:by-id:" + first.id));
readFileSync("made", "utf8").split("\\n").forEach((key, n) => {
  const hashed = createHash("sha256").update(key).digest("base64url");
  const record = JSON.stringify({ ...kept, id: "key" + n, key: hashed });
  store.set("api-key:" + hashed, record);
  store.set("api-key:by-id:key" + n, record);
});
createServer(async (request, response) => {
  const found = await auth.api.verifyApiKey({ body: { key: request.headers["x-api-key"] ?? "" } });
  response.writeHead(found.valid ? 200 : 401, { "content-type": "application/json" });
  response.end(JSON.stringify({ valid: found.valid }));
}).listen(Number(process.argv[3]), "127.0.0.1");
"""

HAPROXY = """
global
  nbthread 1
defaults
  mode http
  timeout client 60s
  timeout connect 5s
  timeout server 60s
frontend peer
  bind 127.0.0.1:%(port)d
  stick-table type string len 64 size 100k expire 1h store http_req_rate(1h)
  http-request set-var(txn.owner) req.hdr(x-api-key),map_str(%(directory)s/map)
  http-request return status 401 unless { var(txn.owner) -m found }
  http-request track-sc0 var(txn.owner)
  http-request return status 429 if { sc_http_req_rate(0) gt 1000000000 }
  http-request return status 200
"""


def envoy(port: int, keys: list[str]) -> dict[str, object]:
    """The configuration of an Envoy that knows these keys and has a bucket for each client."""
    api = "type.googleapis.com/envoy.extensions.filters"
    descriptor = {
        "entries": [{"key": "client"}],
        "token_bucket": {"max_tokens": 1_000_000_000, "tokens_per_fill": 1_000_000_000, "fill_interval": "3600s"},
    }
    always = {"default_value": {"numerator": 100, "denominator": "HUNDRED"}}
    filters: dict[str, dict[str, object]] = {
        "api_key_auth": {
            "credentials": [{"key": key, "client": f"client{n}"} for n, key in enumerate(keys)],
            "key_sources": [{"header": "x-api-key"}],
            "forwarding": {"header": "x-client"},
        },
        "local_ratelimit": {
            "stat_prefix": "peer",
            "filter_enabled": always,
            "filter_enforced": always,
            "token_bucket": descriptor["token_bucket"],
            "descriptors": [descriptor],
            "max_dynamic_descriptors": 20_000,
        },
        "router": {},
    }
    kinds = {"api_key_auth": "ApiKeyAuth", "local_ratelimit": "LocalRateLimit", "router": "Router"}
    limited = {"actions": [{"request_headers": {"header_name": "x-client", "descriptor_key": "client"}}]}
    route = {"match": {"prefix": "/"}, "direct_response": {"status": 200}}
    manager = {
        "@type": f"{api}.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "peer",
        "http_filters": [
            {"name": name, "typed_config": {"@type": f"{api}.http.{name}.v3.{kinds[name]}", **told}}
            for name, told in filters.items()
        ],
        "route_config": {
            "virtual_hosts": [{"name": "peer", "domains": ["*"], "routes": [route], "rate_limits": [limited]}]
        },
    }
    listener = {
        "address": {"socket_address": {"address": "127.0.0.1", "port_value": port}},
        "filter_chains": [{"filters": [{"name": "http", "typed_config": manager}]}],
    }
    return {"static_resources": {"listeners": [listener]}}
