BEGIN TRANSACTION;
CREATE TABLE accounts (
	number INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	id VARCHAR(32) NOT NULL, 
	name VARCHAR(255) NOT NULL, 
	operator BOOLEAN NOT NULL, 
	created_at DOUBLE NOT NULL, limits TEXT, disabled BOOLEAN DEFAULT 0 NOT NULL, 
	UNIQUE (id)
);
INSERT INTO "accounts" VALUES(1,'acc_sjQvMAgmx','Operator',1,1.79539974673668551452e+09,NULL,0);
INSERT INTO "accounts" VALUES(2,'acc_ODSl0hGoK','Company',0,1.79539974673827719691e+09,NULL,0);
INSERT INTO "accounts" VALUES(3,'acc_WF5jQNeAn','Company',0,1.79539974675784707071e+09,NULL,0);
CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO "alembic_version" VALUES('0006');
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
INSERT INTO "audit_log" VALUES(1,1.79539974673710584643e+09,'acc_sjQvMAgmx','system','','','','account.create','acc_sjQvMAgmx','{"name": "Operator"}');
INSERT INTO "audit_log" VALUES(2,1.79539974673838639254e+09,'acc_ODSl0hGoK','library','workload','','','account.create','acc_ODSl0hGoK','{"name": "Company"}');
INSERT INTO "audit_log" VALUES(3,1.79539974674192714691e+09,'acc_ODSl0hGoK','library','workload','','','key.create','key_GiOy52t9N','{"name": "Key 144272509", "prefix": "lwa.sk_live_", "hint": "2cDW", "environment": "live", "scopes": ["a:read", "a:write"], "expires_at": null}');
INSERT INTO "audit_log" VALUES(4,1.79539974674404668813e+09,'acc_ODSl0hGoK','library','workload','','','key.create','key_CAIdv4uY6','{"name": "Key 611178002", "prefix": "lwa.sk_live_", "hint": "ROHm", "environment": "live", "scopes": ["a:read", "a:write"], "expires_at": null}');
INSERT INTO "audit_log" VALUES(5,1.79539974674585080141e+09,'acc_ODSl0hGoK','library','workload','','','key.create','key_Y2G0UevfS','{"name": "Key 909925047", "prefix": "lwa.sk_live_", "hint": "7RvF", "environment": "live", "scopes": ["a:read", "a:write"], "expires_at": null}');
INSERT INTO "audit_log" VALUES(6,1.79539974674928545957e+09,'acc_ODSl0hGoK','library','workload','','','key.rotate','key_Y2G0UevfS','{"successor": "key_DzRxln0Jx", "ends_at": "2026-11-24T02:09:06Z"}');
INSERT INTO "audit_log" VALUES(7,1795399746.75346,'acc_ODSl0hGoK','library','workload','','','key.update','key_CAIdv4uY6','{"changed": ["metadata", "networks"]}');
INSERT INTO "audit_log" VALUES(8,1.79539974675797557829e+09,'acc_WF5jQNeAn','library','workload','','','account.create','acc_WF5jQNeAn','{"name": "Company"}');
INSERT INTO "audit_log" VALUES(9,1.79539974675936222069e+09,'acc_ODSl0hGoK','library','workload','','','key.update','key_CAIdv4uY6','{"changed": ["expires_in_seconds"]}');
INSERT INTO "audit_log" VALUES(10,1.79539974676102471358e+09,'acc_ODSl0hGoK','library','workload','','','key.create','key_OmUjlstWw','{"name": "Key 32845751", "prefix": "lwa.sk_live_", "hint": "KkQi", "environment": "live", "scopes": ["a:read", "a:write"], "expires_at": null}');
INSERT INTO "audit_log" VALUES(11,1.79539974676227450365e+09,'acc_ODSl0hGoK','library','workload','','','key.update','key_GiOy52t9N','{"changed": ["disabled"]}');
INSERT INTO "audit_log" VALUES(12,1.79539974676383638383e+09,'acc_ODSl0hGoK','library','workload','','','key.create','key_YGuQLkKuO','{"name": "Key 27322286", "prefix": "lwa.sk_live_", "hint": "usKd", "environment": "live", "scopes": ["keys:write"], "expires_at": null}');
INSERT INTO "audit_log" VALUES(13,1.79539974676720404623e+09,'acc_ODSl0hGoK','key','key_YGuQLkKuO','','','key.delete','key_YGuQLkKuO','{"name": "Key 27322286", "prefix": "lwa.sk_live_", "hint": "usKd", "environment": "live", "scopes": ["keys:write"], "expires_at": null}');
INSERT INTO "audit_log" VALUES(14,1795399746.76863,'acc_ODSl0hGoK','library','workload','','','key.update','key_OmUjlstWw','{"changed": ["name"]}');
INSERT INTO "audit_log" VALUES(15,1795399746.77039,'acc_ODSl0hGoK','library','workload','','','key.update','key_GiOy52t9N','{"changed": ["rate_limit"]}');
INSERT INTO "audit_log" VALUES(16,1.79539974677290177342e+09,'acc_ODSl0hGoK','library','workload','','','key.rotate','key_DzRxln0Jx','{"successor": "key_4NUNMkIWn", "ends_at": "2026-11-23T02:09:06Z"}');
INSERT INTO "audit_log" VALUES(17,1.79539974677463960652e+09,'acc_ODSl0hGoK','library','workload','','','key.delete','key_4NUNMkIWn','{"name": "Key 909925047", "prefix": "lwa.sk_live_", "hint": "jdhL", "environment": "live", "scopes": ["a:read", "a:write"], "expires_at": null}');
INSERT INTO "audit_log" VALUES(18,1.79539974677584075928e+09,'acc_ODSl0hGoK','library','workload','','','key.update','key_GiOy52t9N','{"changed": ["disabled"]}');
INSERT INTO "audit_log" VALUES(19,1.79539974677900934221e+09,'acc_ODSl0hGoK','library','workload','','','key.create','key_l0c7vaWCy','{"name": "Key 779378296", "prefix": "lwa.sk_live_", "hint": "9uE4", "environment": "live", "scopes": ["a:read", "a:write"], "expires_at": null}');
INSERT INTO "audit_log" VALUES(20,1.79539974678106427187e+09,'acc_ODSl0hGoK','library','workload','','','key.update','key_GiOy52t9N','{"changed": ["scopes"]}');
INSERT INTO "audit_log" VALUES(21,1.79539974678502178189e+09,'acc_ODSl0hGoK','library','workload','','','key.create_many','acc_ODSl0hGoK','{"count": 3, "first": "key_hzuQQ2PmS", "last": "key_XBIZnIMMA"}');
INSERT INTO "audit_log" VALUES(22,1.7953997467867927551e+09,'acc_ODSl0hGoK','library','workload','','','key.create_many','acc_ODSl0hGoK','{"count": 3, "first": "key_nkaaLNEjE", "last": "key_cxMybqLgm"}');
INSERT INTO "audit_log" VALUES(23,1.79539974678852987284e+09,'acc_ODSl0hGoK','library','workload','','','key.create','key_J5bENHqT3','{"name": "Key 774687978", "prefix": "lwa.sk_live_", "hint": "aJcY", "environment": "live", "scopes": ["a:read", "a:write"], "expires_at": null}');
INSERT INTO "audit_log" VALUES(24,1.79539974679018759723e+09,'acc_ODSl0hGoK','library','workload','','','key.rotate','key_J5bENHqT3','{"successor": "key_cCiAs9mBK", "ends_at": "2026-11-23T02:09:06Z"}');
INSERT INTO "audit_log" VALUES(25,1.79539974679209399224e+09,'acc_ODSl0hGoK','library','workload','','','key.update','key_nkaaLNEjE','{"changed": ["rate_limit"]}');
CREATE TABLE changes (
	version INTEGER NOT NULL, 
	key_id VARCHAR(32) NOT NULL, account_id VARCHAR(32), 
	PRIMARY KEY (version)
);
INSERT INTO "changes" VALUES(1,'key_Y2G0UevfS',NULL);
INSERT INTO "changes" VALUES(2,'key_CAIdv4uY6',NULL);
INSERT INTO "changes" VALUES(3,'key_CAIdv4uY6',NULL);
INSERT INTO "changes" VALUES(4,'key_GiOy52t9N',NULL);
INSERT INTO "changes" VALUES(5,'key_YGuQLkKuO',NULL);
INSERT INTO "changes" VALUES(6,'key_OmUjlstWw',NULL);
INSERT INTO "changes" VALUES(7,'key_GiOy52t9N',NULL);
INSERT INTO "changes" VALUES(8,'key_DzRxln0Jx',NULL);
INSERT INTO "changes" VALUES(9,'key_4NUNMkIWn',NULL);
INSERT INTO "changes" VALUES(10,'key_GiOy52t9N',NULL);
INSERT INTO "changes" VALUES(11,'key_GiOy52t9N',NULL);
INSERT INTO "changes" VALUES(12,'key_J5bENHqT3',NULL);
INSERT INTO "changes" VALUES(13,'key_nkaaLNEjE',NULL);
CREATE TABLE departures (
	digest BLOB NOT NULL, 
	left_at DOUBLE NOT NULL, 
	PRIMARY KEY (digest)
);
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
INSERT INTO "idempotency" VALUES('acc_ODSl0hGoK','013e3f2f049be5d5455d20201fc56365e288c27926beea55ec1b7a1e36d1ecd7','key_l0c7vaWCy',1.79539974677669668195e+09);
INSERT INTO "idempotency" VALUES('acc_ODSl0hGoK','d125cf71f9d66c494d680573c3447bcc71ed0a03146bba9916e2411ea16eb7a2','key_J5bENHqT3',1.79539974678732347493e+09);
CREATE TABLE identities (
	issuer VARCHAR(255) NOT NULL, 
	subject VARCHAR(255) NOT NULL, 
	member_id VARCHAR(32) NOT NULL, 
	created_at DOUBLE NOT NULL, 
	PRIMARY KEY (issuer, subject), 
	FOREIGN KEY(member_id) REFERENCES members (id)
);
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
INSERT INTO "keys" VALUES(1,'key_GiOy52t9N','acc_ODSl0hGoK','Key 144272509','lwa','live','lwa.sk_live_','2cDW',X'055C883612279322BCA3EEC178CEDA2D3DF7932B4A8B11A19AC10F6A05963BAE',1,'["a:read"]',NULL,1,'["10/s burst 50", "500/15m sliding", "1000/h"]','[]','{}',1.79539974673884916312e+09,NULL);
INSERT INTO "keys" VALUES(2,'key_CAIdv4uY6','acc_ODSl0hGoK','Key 611178002','lwa','live','lwa.sk_live_','ROHm',X'31FC07242B24265B329945A6CB4F07A641C070D7B7E66E51B57679F981EBB675',1,'["a:read", "a:write"]',1.79548614675845026968e+09,0,NULL,'["192.0.2.0/24"]','{"n":"Key 478230859"}',1.79539974674267792699e+09,NULL);
INSERT INTO "keys" VALUES(3,'key_Y2G0UevfS','acc_ODSl0hGoK','Key 909925047','lwa','live','lwa.sk_live_','7RvF',X'B227C9D5DA80082C9034BEF7615748D1997E0A6D6CA2304349149838320E3F81',1,'["a:read", "a:write"]',1.79548614674642825119e+09,0,NULL,'[]','{}',1.79539974674471402172e+09,'key_DzRxln0Jx');
INSERT INTO "keys" VALUES(4,'key_DzRxln0Jx','acc_ODSl0hGoK','Key 909925047','lwa','live','lwa.sk_live_','DmNI',X'1EAE5F515E227D0FF7E46D2B9488553ADFB1B4B7032971495F57529434C5E777',1,'["a:read", "a:write"]',1.79539974677135562896e+09,0,NULL,'[]','{}',1.79539974674642825126e+09,'key_4NUNMkIWn');
INSERT INTO "keys" VALUES(5,'key_OmUjlstWw','acc_ODSl0hGoK','Key 697444855','lwa','live','lwa.sk_live_','KkQi',X'65CECB06BD44D559971A382AAB8938F4F0B83A867BC8AD66ECD3FFD812C458A6',1,'["a:read", "a:write"]',NULL,0,NULL,'[]','{}',1.79539974676023793222e+09,NULL);
INSERT INTO "keys" VALUES(8,'key_l0c7vaWCy','acc_ODSl0hGoK','Key 779378296','lwa','live','lwa.sk_live_','9uE4',X'BCC46C548ED41400CD819A4A09307228E3D6546802EFD0B3BA56A7BCB5CE7CFB',1,'["a:read", "a:write"]',NULL,0,NULL,'[]','{}',1.79539974677669668195e+09,NULL);
INSERT INTO "keys" VALUES(9,'key_hzuQQ2PmS','acc_ODSl0hGoK','Key 566537775','lwa','live','lwa.sk_live_','tQfO',X'34566A4BBB724C4648F05D2286E5CF88189796C9813508D9893EC56963A7EEC9',1,'["*"]',NULL,0,NULL,'[]','{}',1.79539974678249812127e+09,NULL);
INSERT INTO "keys" VALUES(10,'key_zSoWIBshw','acc_ODSl0hGoK','Key 238039615','lwa','live','lwa.sk_live_','qhSX',X'DAC6AAB2F4F55B455A7B25FC3EC54C2FC7E8D14579A8363DC4301E59C4AD6F3F',1,'["*"]',NULL,0,NULL,'[]','{}',1.79539974678249812127e+09,NULL);
INSERT INTO "keys" VALUES(11,'key_XBIZnIMMA','acc_ODSl0hGoK','Key 820017699','lwa','live','lwa.sk_live_','L2cx',X'A5FB4B2821D7AB5D11DD826B4BA2D37CD9FFFF141396DBC98C78D04D08AFF974',1,'["*"]',NULL,0,NULL,'[]','{}',1.79539974678249812127e+09,NULL);
INSERT INTO "keys" VALUES(12,'key_nkaaLNEjE','acc_ODSl0hGoK','Key 129804604','lwa','live','lwa.sk_live_','mg2r',X'E839756B36937EB968D80128A307F2DA05520460CC303FDE854E2E1D27516ED0',1,'["*"]',NULL,0,'["10/s burst 50", "500/15m sliding", "1000/h"]','[]','{}',1.79539974678578662875e+09,NULL);
INSERT INTO "keys" VALUES(13,'key_s2872n2Zm','acc_ODSl0hGoK','Key 797947650','lwa','live','lwa.sk_live_','BsHp',X'CA9A73D1A662CC545445171C349B0DD0BDA7EAA3A612A46F7408953B66F239B0',1,'["*"]',NULL,0,NULL,'[]','{}',1.79539974678578662875e+09,NULL);
INSERT INTO "keys" VALUES(14,'key_cxMybqLgm','acc_ODSl0hGoK','Key 357228733','lwa','live','lwa.sk_live_','eL4u',X'49E40A9E08CEAE5B1AAA5B792E2B4DF8536A48657A8D343B06C976762A4AB3D1',1,'["*"]',NULL,0,NULL,'[]','{}',1.79539974678578662875e+09,NULL);
INSERT INTO "keys" VALUES(15,'key_J5bENHqT3','acc_ODSl0hGoK','Key 774687978','lwa','live','lwa.sk_live_','aJcY',X'8381D812A1A2677ECD4558FBD064FE9B82A1BCB4639464DBC5DC8E46F464A1D6',1,'["a:read", "a:write"]',1.79539974678909182545e+09,0,NULL,'[]','{}',1.79539974678732347493e+09,'key_cCiAs9mBK');
INSERT INTO "keys" VALUES(16,'key_cCiAs9mBK','acc_ODSl0hGoK','Key 774687978','lwa','live','lwa.sk_live_','8KBz',X'E967D7F488A2D24F5A0AA1BEDB21F60498BEEEA0581FC1CA681D6FEB73F209C0',1,'["a:read", "a:write"]',NULL,0,NULL,'[]','{}',1.79539974678909182545e+09,NULL);
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
CREATE TABLE portal_sessions (
	digest BLOB NOT NULL, 
	id VARCHAR(32) NOT NULL, 
	account_id VARCHAR(32) NOT NULL, 
	maker_kind VARCHAR(16) NOT NULL, 
	maker_id VARCHAR(64) NOT NULL, 
	person VARCHAR(255) NOT NULL, 
	role VARCHAR(16) NOT NULL, 
	scopes TEXT NOT NULL, 
	return_url TEXT NOT NULL, 
	seconds INTEGER NOT NULL, 
	opened BOOLEAN NOT NULL, 
	created_at DOUBLE NOT NULL, 
	expires_at DOUBLE NOT NULL, 
	PRIMARY KEY (digest), 
	UNIQUE (id), 
	FOREIGN KEY(account_id) REFERENCES accounts (id)
);
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
	user_agent VARCHAR(255) NOT NULL, proved_at DOUBLE DEFAULT '0' NOT NULL, 
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
INSERT INTO "tombstones" VALUES(X'2304E07AC462E631F4053FFD13E3C181D017B9FB76A64065536CC9D4D2BEE0F4','key_YGuQLkKuO',6,'acc_ODSl0hGoK','Key 27322286',1.79539974676431488987e+09);
INSERT INTO "tombstones" VALUES(X'40D9694F9A8F77C18806E8291BD7CD72D64D5650FC6FE8E3A41C81704090AB8F','key_4NUNMkIWn',7,'acc_ODSl0hGoK','Key 909925047',1.7953997467741057873e+09);
CREATE INDEX keys_of_account ON keys (account_id, slot);
CREATE INDEX audit_log_of_account ON audit_log (account_id, number);
CREATE INDEX memberships_of_member ON memberships (member_id);
CREATE INDEX sessions_of_member ON sessions (member_id);
CREATE INDEX tokens_of_account ON tokens (account_id, kind);
CREATE INDEX attempts_by_end ON attempts (ends_at);
CREATE UNIQUE INDEX identities_of_member ON identities (member_id, issuer);
CREATE INDEX portal_sessions_by_end ON portal_sessions (expires_at);
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('accounts',3);
INSERT INTO "sqlite_sequence" VALUES('audit_log',25);
INSERT INTO "sqlite_sequence" VALUES('keys',16);
COMMIT;
