BEGIN TRANSACTION;
CREATE TABLE accounts (
	number INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	id VARCHAR(32) NOT NULL, 
	name VARCHAR(255) NOT NULL, 
	operator BOOLEAN NOT NULL, 
	created_at DOUBLE NOT NULL, 
	UNIQUE (id)
);
INSERT INTO "accounts" VALUES(1,'acc_eyRC1ETqj','Operator',1,1.79538529425846886638e+09);
INSERT INTO "accounts" VALUES(2,'acc_ydPiQDtL0','Company',0,1.79538529426623702043e+09);
INSERT INTO "accounts" VALUES(3,'acc_lBoGYgLBk','Company',0,1.79538529430016303069e+09);
CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO "alembic_version" VALUES('0002');
CREATE TABLE attempts (
	subject BLOB NOT NULL, 
	count INTEGER NOT NULL, 
	ends_at DOUBLE NOT NULL, 
	PRIMARY KEY (subject)
);
CREATE TABLE audit_log (
	number INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	at DOUBLE NOT NULL, 
	account_id VARCHAR(32) NOT NULL, 
	actor_kind VARCHAR(16) NOT NULL, 
	actor_id VARCHAR(64) NOT NULL, 
	address VARCHAR(64) NOT NULL, 
	request_id VARCHAR(64) NOT NULL, 
	action VARCHAR(32) NOT NULL, 
	target VARCHAR(64) NOT NULL, 
	details TEXT NOT NULL
);
INSERT INTO "audit_log" VALUES(1,1.795385294258841753e+09,'acc_eyRC1ETqj','system','','','','account.create','acc_eyRC1ETqj','{"name": "Operator"}');
INSERT INTO "audit_log" VALUES(2,1.79538529426637101168e+09,'acc_ydPiQDtL0','library','workload','','','account.create','acc_ydPiQDtL0','{"name": "Company"}');
INSERT INTO "audit_log" VALUES(3,1.79538529427118182186e+09,'acc_ydPiQDtL0','library','workload','','','key.create','key_Dh9huW3cU','{"name": "Key 144272509", "prefix": "lwa.sk_live_", "hint": "4C0O", "environment": "live", "scopes": ["a:read", "a:write"], "expires_at": null}');
INSERT INTO "audit_log" VALUES(4,1.79538529427685546874e+09,'acc_ydPiQDtL0','library','workload','','','key.create','key_l2maXk1kN','{"name": "Key 611178002", "prefix": "lwa.sk_live_", "hint": "0ljr", "environment": "live", "scopes": ["a:read", "a:write"], "expires_at": null}');
INSERT INTO "audit_log" VALUES(5,1.79538529427832674982e+09,'acc_ydPiQDtL0','library','workload','','','key.create','key_zYkbLgwSy','{"name": "Key 909925047", "prefix": "lwa.sk_live_", "hint": "GTfu", "environment": "live", "scopes": ["a:read", "a:write"], "expires_at": null}');
INSERT INTO "audit_log" VALUES(6,1.7953852942865028381e+09,'acc_ydPiQDtL0','library','workload','','','key.rotate','key_zYkbLgwSy','{"successor": "key_pPGDolLSz", "ends_at": "2026-11-23T22:08:14Z"}');
INSERT INTO "audit_log" VALUES(7,1.79538529429004716873e+09,'acc_ydPiQDtL0','library','workload','','','key.update','key_l2maXk1kN','{"changed": ["metadata", "networks"]}');
INSERT INTO "audit_log" VALUES(8,1.79538529430024552347e+09,'acc_lBoGYgLBk','library','workload','','','account.create','acc_lBoGYgLBk','{"name": "Company"}');
INSERT INTO "audit_log" VALUES(9,1.7953852943031485081e+09,'acc_ydPiQDtL0','library','workload','','','key.update','key_l2maXk1kN','{"changed": ["expires_in_seconds"]}');
INSERT INTO "audit_log" VALUES(10,1.79538529430766606326e+09,'acc_ydPiQDtL0','library','workload','','','key.create','key_YinehUbNg','{"name": "Key 32845751", "prefix": "lwa.sk_live_", "hint": "H9Qo", "environment": "live", "scopes": ["a:read", "a:write"], "expires_at": null}');
INSERT INTO "audit_log" VALUES(11,1.79538529430929112437e+09,'acc_ydPiQDtL0','library','workload','','','key.update','key_Dh9huW3cU','{"changed": ["disabled"]}');
INSERT INTO "audit_log" VALUES(12,1795385294.31313,'acc_ydPiQDtL0','library','workload','','','key.create','key_mLGIKhP4u','{"name": "Key 27322286", "prefix": "lwa.sk_live_", "hint": "UUlB", "environment": "live", "scopes": ["keys:write"], "expires_at": null}');
INSERT INTO "audit_log" VALUES(13,1.79538529431639790534e+09,'acc_ydPiQDtL0','key','key_mLGIKhP4u','','','key.delete','key_mLGIKhP4u','{"name": "Key 27322286", "prefix": "lwa.sk_live_", "hint": "UUlB", "environment": "live", "scopes": ["keys:write"], "expires_at": null}');
INSERT INTO "audit_log" VALUES(14,1.79538529431984853748e+09,'acc_ydPiQDtL0','library','workload','','','key.update','key_YinehUbNg','{"changed": ["name"]}');
INSERT INTO "audit_log" VALUES(15,1.79538529433007502554e+09,'acc_ydPiQDtL0','library','workload','','','key.update','key_Dh9huW3cU','{"changed": ["rate_limit"]}');
INSERT INTO "audit_log" VALUES(16,1.79538529433311700822e+09,'acc_ydPiQDtL0','library','workload','','','key.rotate','key_pPGDolLSz','{"successor": "key_iwrBk2NtS", "ends_at": "2026-11-22T22:08:14Z"}');
INSERT INTO "audit_log" VALUES(17,1.79538529433474755288e+09,'acc_ydPiQDtL0','library','workload','','','key.delete','key_iwrBk2NtS','{"name": "Key 909925047", "prefix": "lwa.sk_live_", "hint": "jlTM", "environment": "live", "scopes": ["a:read", "a:write"], "expires_at": null}');
INSERT INTO "audit_log" VALUES(18,1.79538529433631443982e+09,'acc_ydPiQDtL0','library','workload','','','key.update','key_Dh9huW3cU','{"changed": ["disabled"]}');
INSERT INTO "audit_log" VALUES(19,1.79538529433956742286e+09,'acc_ydPiQDtL0','library','workload','','','key.create','key_6UTsNvB1G','{"name": "Key 779378296", "prefix": "lwa.sk_live_", "hint": "voxX", "environment": "live", "scopes": ["a:read", "a:write"], "expires_at": null}');
INSERT INTO "audit_log" VALUES(20,1.79538529434089827539e+09,'acc_ydPiQDtL0','library','workload','','','key.update','key_Dh9huW3cU','{"changed": ["scopes"]}');
INSERT INTO "audit_log" VALUES(21,1.79538529434541773797e+09,'acc_ydPiQDtL0','library','workload','','','key.create_many','acc_ydPiQDtL0','{"count": 3, "first": "key_QsiG27Qjp", "last": "key_iqqe0kswO"}');
INSERT INTO "audit_log" VALUES(22,1.79538529434788012503e+09,'acc_ydPiQDtL0','library','workload','','','key.create_many','acc_ydPiQDtL0','{"count": 3, "first": "key_xijswPJKq", "last": "key_AlwZ9lQMX"}');
INSERT INTO "audit_log" VALUES(23,1.79538529434989190102e+09,'acc_ydPiQDtL0','library','workload','','','key.create','key_WZ2mImtaF','{"name": "Key 774687978", "prefix": "lwa.sk_live_", "hint": "sBfK", "environment": "live", "scopes": ["a:read", "a:write"], "expires_at": null}');
INSERT INTO "audit_log" VALUES(24,1.79538529435582876201e+09,'acc_ydPiQDtL0','library','workload','','','key.rotate','key_WZ2mImtaF','{"successor": "key_YPfTbRSbi", "ends_at": "2026-11-22T22:08:14Z"}');
INSERT INTO "audit_log" VALUES(25,1.79538529435779643057e+09,'acc_ydPiQDtL0','library','workload','','','key.update','key_xijswPJKq','{"changed": ["rate_limit"]}');
CREATE TABLE changes (
	version INTEGER NOT NULL, 
	key_id VARCHAR(32) NOT NULL, 
	PRIMARY KEY (version)
);
INSERT INTO "changes" VALUES(1,'key_zYkbLgwSy');
INSERT INTO "changes" VALUES(2,'key_l2maXk1kN');
INSERT INTO "changes" VALUES(3,'key_l2maXk1kN');
INSERT INTO "changes" VALUES(4,'key_Dh9huW3cU');
INSERT INTO "changes" VALUES(5,'key_mLGIKhP4u');
INSERT INTO "changes" VALUES(6,'key_YinehUbNg');
INSERT INTO "changes" VALUES(7,'key_Dh9huW3cU');
INSERT INTO "changes" VALUES(8,'key_pPGDolLSz');
INSERT INTO "changes" VALUES(9,'key_iwrBk2NtS');
INSERT INTO "changes" VALUES(10,'key_Dh9huW3cU');
INSERT INTO "changes" VALUES(11,'key_Dh9huW3cU');
INSERT INTO "changes" VALUES(12,'key_WZ2mImtaF');
INSERT INTO "changes" VALUES(13,'key_xijswPJKq');
CREATE TABLE feed (
	id SMALLINT NOT NULL, 
	version BIGINT NOT NULL, 
	PRIMARY KEY (id)
);
INSERT INTO "feed" VALUES(1,13);
CREATE TABLE idempotency (
	account_id VARCHAR(32) NOT NULL, 
	idempotency_key VARCHAR(255) NOT NULL, 
	key_id VARCHAR(32) NOT NULL, 
	created_at DOUBLE NOT NULL, 
	PRIMARY KEY (account_id, idempotency_key)
);
INSERT INTO "idempotency" VALUES('acc_ydPiQDtL0','013e3f2f049be5d5455d20201fc56365e288c27926beea55ec1b7a1e36d1ecd7','key_6UTsNvB1G',1.79538529433764553074e+09);
INSERT INTO "idempotency" VALUES('acc_ydPiQDtL0','d125cf71f9d66c494d680573c3447bcc71ed0a03146bba9916e2411ea16eb7a2','key_WZ2mImtaF',1.7953852943489222527e+09);
CREATE TABLE keys (
	slot INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	id VARCHAR(32) NOT NULL, 
	account_id VARCHAR(32) NOT NULL, 
	name VARCHAR(255) NOT NULL, 
	format VARCHAR(32) NOT NULL, 
	environment VARCHAR(8) NOT NULL, 
	prefix VARCHAR(64) NOT NULL, 
	hint VARCHAR(8) NOT NULL, 
	digest BLOB NOT NULL, 
	digest_version SMALLINT NOT NULL, 
	scopes TEXT NOT NULL, 
	expires_at DOUBLE, 
	disabled BOOLEAN NOT NULL, 
	limits TEXT, 
	networks TEXT NOT NULL, 
	metadata TEXT NOT NULL, 
	created_at DOUBLE NOT NULL, 
	successor_id VARCHAR(32), 
	UNIQUE (id), 
	FOREIGN KEY(account_id) REFERENCES accounts (id), 
	UNIQUE (digest)
);
INSERT INTO "keys" VALUES(1,'key_Dh9huW3cU','acc_ydPiQDtL0','Key 144272509','lwa','live','lwa.sk_live_','4C0O',X'C0D8DDFC43F8953228D048E37C84AB18FA7C282D3A49B4C9FD8736B2EAB06A25',1,'["a:read"]',NULL,1,'["10/s burst 50", "500/15m sliding", "1000/h"]','[]','{}',1.79538529426833820337e+09,NULL);
INSERT INTO "keys" VALUES(2,'key_l2maXk1kN','acc_ydPiQDtL0','Key 611178002','lwa','live','lwa.sk_live_','0ljr',X'8EC7AE4DAB8505FC8271D3012BEC9C20954C2B817F9FDCC19D4BA29405713E43',1,'["a:read", "a:write"]',1.79547169430200243001e+09,0,NULL,'["192.0.2.0/24"]','{"n":"Key 478230859"}',1.79538529427561020855e+09,NULL);
INSERT INTO "keys" VALUES(3,'key_zYkbLgwSy','acc_ydPiQDtL0','Key 909925047','lwa','live','lwa.sk_live_','GTfu',X'751EE64EF53BA69DCF4EAB884776264CF4444F83F25EB88A9EBB52EC7D39B091',1,'["a:read", "a:write"]',1.79547169428379249566e+09,0,NULL,'[]','{}',1.79538529427748346327e+09,'key_pPGDolLSz');
INSERT INTO "keys" VALUES(4,'key_pPGDolLSz','acc_ydPiQDtL0','Key 909925047','lwa','live','lwa.sk_live_','iHUd',X'485EB457DCB39C1FDDF6FA1E8BDC88A6947EE854F6420FA2A0D2093C7932CC2A',1,'["a:read", "a:write"]',1.79538529433169603347e+09,0,NULL,'[]','{}',1.79538529428379249573e+09,'key_iwrBk2NtS');
INSERT INTO "keys" VALUES(5,'key_YinehUbNg','acc_ydPiQDtL0','Key 697444855','lwa','live','lwa.sk_live_','H9Qo',X'BD23E44D968B024EF4B527005F596E89BD896B7F7213C00E055AB88DF5C54E01',1,'["a:read", "a:write"]',NULL,0,NULL,'[]','{}',1.7953852943059968949e+09,NULL);
INSERT INTO "keys" VALUES(8,'key_6UTsNvB1G','acc_ydPiQDtL0','Key 779378296','lwa','live','lwa.sk_live_','voxX',X'964C45951C7E4FD7C3E5925B36F50F624DA3B52345918E97AE04C63988219650',1,'["a:read", "a:write"]',NULL,0,NULL,'[]','{}',1.79538529433764553074e+09,NULL);
INSERT INTO "keys" VALUES(9,'key_QsiG27Qjp','acc_ydPiQDtL0','Key 566537775','lwa','live','lwa.sk_live_','JX2Q',X'123E223B3C9780A574BD468C64E311DF24CC77601655FDFDB93F2DADB71D7CB2',1,'["*"]',NULL,0,NULL,'[]','{}',1.79538529434411835671e+09,NULL);
INSERT INTO "keys" VALUES(10,'key_gUvCuJsNb','acc_ydPiQDtL0','Key 238039615','lwa','live','lwa.sk_live_','w5qM',X'07AED1F2F7971D1A3EEF8275891D83A93505EF4B55551E57285227B5F1BBC8E8',1,'["*"]',NULL,0,NULL,'[]','{}',1.79538529434411835671e+09,NULL);
INSERT INTO "keys" VALUES(11,'key_iqqe0kswO','acc_ydPiQDtL0','Key 820017699','lwa','live','lwa.sk_live_','rDDw',X'548CEF802C4AFCA2E582C4591204EC1F7808EE733054E749D31E739538A96F2F',1,'["*"]',NULL,0,NULL,'[]','{}',1.79538529434411835671e+09,NULL);
INSERT INTO "keys" VALUES(12,'key_xijswPJKq','acc_ydPiQDtL0','Key 129804604','lwa','live','lwa.sk_live_','EfYq',X'153A9A51D72A74514393BDF502921A6F6A0D9D25EDCD16A24D0AAB29DC46D579',1,'["*"]',NULL,0,'["10/s burst 50", "500/15m sliding", "1000/h"]','[]','{}',1.79538529434694218633e+09,NULL);
INSERT INTO "keys" VALUES(13,'key_BapPBR2Pe','acc_ydPiQDtL0','Key 797947650','lwa','live','lwa.sk_live_','QAv0',X'2D3E89D98B42325AC5BB1AC10C681146BDC68798B8055D03B72C8B0BFE7D73F2',1,'["*"]',NULL,0,NULL,'[]','{}',1.79538529434694218633e+09,NULL);
INSERT INTO "keys" VALUES(14,'key_AlwZ9lQMX','acc_ydPiQDtL0','Key 357228733','lwa','live','lwa.sk_live_','2La9',X'D87A09B30661458DD5EB49D5649BF8C54285B996F573D2E99764CF1CD7238C86',1,'["*"]',NULL,0,NULL,'[]','{}',1.79538529434694218633e+09,NULL);
INSERT INTO "keys" VALUES(15,'key_WZ2mImtaF','acc_ydPiQDtL0','Key 774687978','lwa','live','lwa.sk_live_','sBfK',X'97E2341AC0B4AF928A1421F590D8AEECE98432814ACD2928D73DE3B6A42CED20',1,'["a:read", "a:write"]',1.79538529435098195069e+09,0,NULL,'[]','{}',1.7953852943489222527e+09,'key_YPfTbRSbi');
INSERT INTO "keys" VALUES(16,'key_YPfTbRSbi','acc_ydPiQDtL0','Key 774687978','lwa','live','lwa.sk_live_','ecr7',X'25F41C827F1D4AF0C52F597034ED7DE381262E3E79E3A9DF016A4AEC72438109',1,'["a:read", "a:write"]',NULL,0,NULL,'[]','{}',1.79538529435098195069e+09,NULL);
CREATE TABLE members (
	number INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	id VARCHAR(32) NOT NULL, 
	email VARCHAR(255) NOT NULL, 
	name VARCHAR(255) NOT NULL, 
	password VARCHAR(255), 
	totp_secret BLOB, 
	totp_step BIGINT NOT NULL, 
	created_at DOUBLE NOT NULL, 
	UNIQUE (id), 
	UNIQUE (email)
);
CREATE TABLE memberships (
	account_id VARCHAR(32) NOT NULL, 
	member_id VARCHAR(32) NOT NULL, 
	role VARCHAR(16) NOT NULL, 
	created_at DOUBLE NOT NULL, 
	PRIMARY KEY (account_id, member_id), 
	FOREIGN KEY(account_id) REFERENCES accounts (id), 
	FOREIGN KEY(member_id) REFERENCES members (id)
);
CREATE TABLE meta (
	name VARCHAR(64) NOT NULL, 
	value TEXT NOT NULL, 
	PRIMARY KEY (name)
);
INSERT INTO "meta" VALUES('secret 1','d67d6c4bca6dcb97b1bfc3318195aee2');
INSERT INTO "meta" VALUES('tag key 1','a2a078d817c5c20962b05cb01012d6b1b93b0b5ff0fd32a1edcf1324ebb24129');
INSERT INTO "meta" VALUES('format lwa','live: lwa.sk_live_, test: lwa.sk_test_; 32 characters, checksum');
INSERT INTO "meta" VALUES('format ss','live: ss_; 32 characters, checksum');
CREATE TABLE recovery_codes (
	member_id VARCHAR(32) NOT NULL, 
	digest BLOB NOT NULL, 
	PRIMARY KEY (member_id, digest), 
	FOREIGN KEY(member_id) REFERENCES members (id)
);
CREATE TABLE sessions (
	digest BLOB NOT NULL, 
	id VARCHAR(32) NOT NULL, 
	member_id VARCHAR(32) NOT NULL, 
	account_id VARCHAR(32) NOT NULL, 
	complete BOOLEAN NOT NULL, 
	created_at DOUBLE NOT NULL, 
	used_at DOUBLE NOT NULL, 
	address VARCHAR(64) NOT NULL, 
	user_agent VARCHAR(255) NOT NULL, 
	PRIMARY KEY (digest), 
	UNIQUE (id), 
	FOREIGN KEY(member_id) REFERENCES members (id)
);
CREATE TABLE tokens (
	digest BLOB NOT NULL, 
	id VARCHAR(32) NOT NULL, 
	kind VARCHAR(16) NOT NULL, 
	account_id VARCHAR(32) NOT NULL, 
	email VARCHAR(255) NOT NULL, 
	role VARCHAR(16) NOT NULL, 
	created_by VARCHAR(64) NOT NULL, 
	created_at DOUBLE NOT NULL, 
	expires_at DOUBLE NOT NULL, 
	PRIMARY KEY (digest), 
	UNIQUE (id)
);
CREATE TABLE tombstones (
	digest BLOB NOT NULL, 
	key_id VARCHAR(32) NOT NULL, 
	slot BIGINT NOT NULL, 
	account_id VARCHAR(32) NOT NULL, 
	name VARCHAR(255) NOT NULL, 
	deleted_at DOUBLE NOT NULL, 
	PRIMARY KEY (digest), 
	UNIQUE (key_id)
);
INSERT INTO "tombstones" VALUES(X'85855D6F9ACA90E802E63A4A856BB5387E1AEDD6AB4A73C38EA0B44F3E88805D','key_mLGIKhP4u',6,'acc_ydPiQDtL0','Key 27322286',1.79538529431464314459e+09);
INSERT INTO "tombstones" VALUES(X'5D5D03B2284569D6C6C94FDCD563B4EC4ABDE695C183CC977A2BC464A7D8E257','key_iwrBk2NtS',7,'acc_ydPiQDtL0','Key 909925047',1.79538529433419013028e+09);
CREATE INDEX keys_of_account ON keys (account_id, slot);
CREATE INDEX audit_log_of_account ON audit_log (account_id, number);
CREATE INDEX memberships_of_member ON memberships (member_id);
CREATE INDEX sessions_of_member ON sessions (member_id);
CREATE INDEX tokens_of_account ON tokens (account_id, kind);
CREATE INDEX attempts_by_end ON attempts (ends_at);
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('accounts',3);
INSERT INTO "sqlite_sequence" VALUES('audit_log',25);
INSERT INTO "sqlite_sequence" VALUES('keys',16);
COMMIT;
