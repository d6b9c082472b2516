BEGIN TRANSACTION;
CREATE TABLE accounts (
	number INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	id VARCHAR(32) NOT NULL, 
	name VARCHAR(255) NOT NULL, 
	operator BOOLEAN NOT NULL, 
	created_at DOUBLE NOT NULL, limits TEXT, disabled BOOLEAN DEFAULT 0 NOT NULL, 
	UNIQUE (id)
);
INSERT INTO "accounts" VALUES(1,'acc_l6x1o0Nbr','Operator',1,1.79539974262718200681e+09,NULL,0);
INSERT INTO "accounts" VALUES(2,'acc_kfFjWY6bA','Company',0,1.79539974262907457355e+09,NULL,0);
INSERT INTO "accounts" VALUES(3,'acc_xgEG2A5T7','Company',0,1.79539974264921879773e+09,NULL,0);
CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO "alembic_version" VALUES('0003');
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
INSERT INTO "audit_log" VALUES(1,1.79539974262761068343e+09,'acc_l6x1o0Nbr','system','','','','account.create','acc_l6x1o0Nbr','{"name": "Operator"}');
INSERT INTO "audit_log" VALUES(2,1.79539974262918043137e+09,'acc_kfFjWY6bA','library','workload','','','account.create','acc_kfFjWY6bA','{"name": "Company"}');
INSERT INTO "audit_log" VALUES(3,1.79539974263236951825e+09,'acc_kfFjWY6bA','library','workload','','','key.create','key_qvyq7wY2K','{"name": "Key 144272509", "prefix": "lwa.sk_live_", "hint": "OxFo", "environment": "live", "scopes": ["a:read", "a:write"], "expires_at": null}');
INSERT INTO "audit_log" VALUES(4,1.79539974263397550586e+09,'acc_kfFjWY6bA','library','workload','','','key.create','key_h6dWWCHYi','{"name": "Key 611178002", "prefix": "lwa.sk_live_", "hint": "cF6t", "environment": "live", "scopes": ["a:read", "a:write"], "expires_at": null}');
INSERT INTO "audit_log" VALUES(5,1.79539974263580250739e+09,'acc_kfFjWY6bA','library','workload','','','key.create','key_kLbg4fT2H','{"name": "Key 909925047", "prefix": "lwa.sk_live_", "hint": "nXgj", "environment": "live", "scopes": ["a:read", "a:write"], "expires_at": null}');
INSERT INTO "audit_log" VALUES(6,1.79539974263911843296e+09,'acc_kfFjWY6bA','library','workload','','','key.rotate','key_kLbg4fT2H','{"successor": "key_jL5Wq72rN", "ends_at": "2026-11-24T02:09:02Z"}');
INSERT INTO "audit_log" VALUES(7,1.79539974264290928839e+09,'acc_kfFjWY6bA','library','workload','','','key.update','key_h6dWWCHYi','{"changed": ["metadata", "networks"]}');
INSERT INTO "audit_log" VALUES(8,1.79539974264933919903e+09,'acc_xgEG2A5T7','library','workload','','','account.create','acc_xgEG2A5T7','{"name": "Company"}');
INSERT INTO "audit_log" VALUES(9,1.79539974265124154095e+09,'acc_kfFjWY6bA','library','workload','','','key.update','key_h6dWWCHYi','{"changed": ["expires_in_seconds"]}');
INSERT INTO "audit_log" VALUES(10,1.79539974265313482279e+09,'acc_kfFjWY6bA','library','workload','','','key.create','key_LWpbTdZzv','{"name": "Key 32845751", "prefix": "lwa.sk_live_", "hint": "ro4d", "environment": "live", "scopes": ["a:read", "a:write"], "expires_at": null}');
INSERT INTO "audit_log" VALUES(11,1.79539974265449142456e+09,'acc_kfFjWY6bA','library','workload','','','key.update','key_qvyq7wY2K','{"changed": ["disabled"]}');
INSERT INTO "audit_log" VALUES(12,1.79539974265605044366e+09,'acc_kfFjWY6bA','library','workload','','','key.create','key_KRTP5ehj4','{"name": "Key 27322286", "prefix": "lwa.sk_live_", "hint": "nvjK", "environment": "live", "scopes": ["keys:write"], "expires_at": null}');
INSERT INTO "audit_log" VALUES(13,1.79539974265849113467e+09,'acc_kfFjWY6bA','key','key_KRTP5ehj4','','','key.delete','key_KRTP5ehj4','{"name": "Key 27322286", "prefix": "lwa.sk_live_", "hint": "nvjK", "environment": "live", "scopes": ["keys:write"], "expires_at": null}');
INSERT INTO "audit_log" VALUES(14,1.79539974266023540493e+09,'acc_kfFjWY6bA','library','workload','','','key.update','key_LWpbTdZzv','{"changed": ["name"]}');
INSERT INTO "audit_log" VALUES(15,1.79539974266200447086e+09,'acc_kfFjWY6bA','library','workload','','','key.update','key_qvyq7wY2K','{"changed": ["rate_limit"]}');
INSERT INTO "audit_log" VALUES(16,1.79539974266442203514e+09,'acc_kfFjWY6bA','library','workload','','','key.rotate','key_jL5Wq72rN','{"successor": "key_itpbe4wz7", "ends_at": "2026-11-23T02:09:02Z"}');
INSERT INTO "audit_log" VALUES(17,1795399742.66708,'acc_kfFjWY6bA','library','workload','','','key.delete','key_itpbe4wz7','{"name": "Key 909925047", "prefix": "lwa.sk_live_", "hint": "P3ns", "environment": "live", "scopes": ["a:read", "a:write"], "expires_at": null}');
INSERT INTO "audit_log" VALUES(18,1.79539974266872835156e+09,'acc_kfFjWY6bA','library','workload','','','key.update','key_qvyq7wY2K','{"changed": ["disabled"]}');
INSERT INTO "audit_log" VALUES(19,1.79539974267239332197e+09,'acc_kfFjWY6bA','library','workload','','','key.create','key_jvXXdVUIM','{"name": "Key 779378296", "prefix": "lwa.sk_live_", "hint": "PkcP", "environment": "live", "scopes": ["a:read", "a:write"], "expires_at": null}');
INSERT INTO "audit_log" VALUES(20,1.79539974267472338675e+09,'acc_kfFjWY6bA','library','workload','','','key.update','key_qvyq7wY2K','{"changed": ["scopes"]}');
INSERT INTO "audit_log" VALUES(21,1.79539974267827939988e+09,'acc_kfFjWY6bA','library','workload','','','key.create_many','acc_kfFjWY6bA','{"count": 3, "first": "key_BjQU5LdrY", "last": "key_aGZgkLu1C"}');
INSERT INTO "audit_log" VALUES(22,1.79539974267970252035e+09,'acc_kfFjWY6bA','library','workload','','','key.create_many','acc_kfFjWY6bA','{"count": 3, "first": "key_fp2y4vIgO", "last": "key_vA3J6DivI"}');
INSERT INTO "audit_log" VALUES(23,1795399742.6812,'acc_kfFjWY6bA','library','workload','','','key.create','key_WaCqLhGXR','{"name": "Key 774687978", "prefix": "lwa.sk_live_", "hint": "pV3F", "environment": "live", "scopes": ["a:read", "a:write"], "expires_at": null}');
INSERT INTO "audit_log" VALUES(24,1.7953997426827671528e+09,'acc_kfFjWY6bA','library','workload','','','key.rotate','key_WaCqLhGXR','{"successor": "key_xrosQJMSi", "ends_at": "2026-11-23T02:09:02Z"}');
INSERT INTO "audit_log" VALUES(25,1.79539974268463635442e+09,'acc_kfFjWY6bA','library','workload','','','key.update','key_fp2y4vIgO','{"changed": ["rate_limit"]}');
CREATE TABLE changes (
	version INTEGER NOT NULL, 
	key_id VARCHAR(32) NOT NULL, account_id VARCHAR(32), 
	PRIMARY KEY (version)
);
INSERT INTO "changes" VALUES(1,'key_kLbg4fT2H',NULL);
INSERT INTO "changes" VALUES(2,'key_h6dWWCHYi',NULL);
INSERT INTO "changes" VALUES(3,'key_h6dWWCHYi',NULL);
INSERT INTO "changes" VALUES(4,'key_qvyq7wY2K',NULL);
INSERT INTO "changes" VALUES(5,'key_KRTP5ehj4',NULL);
INSERT INTO "changes" VALUES(6,'key_LWpbTdZzv',NULL);
INSERT INTO "changes" VALUES(7,'key_qvyq7wY2K',NULL);
INSERT INTO "changes" VALUES(8,'key_jL5Wq72rN',NULL);
INSERT INTO "changes" VALUES(9,'key_itpbe4wz7',NULL);
INSERT INTO "changes" VALUES(10,'key_qvyq7wY2K',NULL);
INSERT INTO "changes" VALUES(11,'key_qvyq7wY2K',NULL);
INSERT INTO "changes" VALUES(12,'key_WaCqLhGXR',NULL);
INSERT INTO "changes" VALUES(13,'key_fp2y4vIgO',NULL);
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
INSERT INTO "idempotency" VALUES('acc_kfFjWY6bA','013e3f2f049be5d5455d20201fc56365e288c27926beea55ec1b7a1e36d1ecd7','key_jvXXdVUIM',1.79539974266984677319e+09);
INSERT INTO "idempotency" VALUES('acc_kfFjWY6bA','d125cf71f9d66c494d680573c3447bcc71ed0a03146bba9916e2411ea16eb7a2','key_WaCqLhGXR',1.79539974268026423457e+09);
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
INSERT INTO "keys" VALUES(1,'key_qvyq7wY2K','acc_kfFjWY6bA','Key 144272509','lwa','live','lwa.sk_live_','OxFo',X'7DCE1BC42EC41BB4706AF61EB7B19DD53AB7839DCC710C75DF9092FD6F113206',1,'["a:read"]',NULL,1,'["10/s burst 50", "500/15m sliding", "1000/h"]','[]','{}',1.79539974262964844705e+09,NULL);
INSERT INTO "keys" VALUES(2,'key_h6dWWCHYi','acc_kfFjWY6bA','Key 611178002','lwa','live','lwa.sk_live_','cF6t',X'231CF97EEDAF4A3EA9D5B112F4EDE94F6B6843537A47067E04DE20B716275255',1,'["a:read", "a:write"]',1.79548614264993309976e+09,0,NULL,'["192.0.2.0/24"]','{"n":"Key 478230859"}',1.7953997426329724789e+09,NULL);
INSERT INTO "keys" VALUES(3,'key_kLbg4fT2H','acc_kfFjWY6bA','Key 909925047','lwa','live','lwa.sk_live_','nXgj',X'C650C6AAD9A7B4AF3E5F55044EC037D6B38E1BA102D0645E3BC61A320F801B77',1,'["a:read", "a:write"]',1.79548614263643765446e+09,0,NULL,'[]','{}',1.79539974263464236262e+09,'key_jL5Wq72rN');
INSERT INTO "keys" VALUES(4,'key_jL5Wq72rN','acc_kfFjWY6bA','Key 909925047','lwa','live','lwa.sk_live_','6pJw',X'D28413BF1EA82C46B165B557B3EB7BE50FB72EF8290956F378E5F8AE1EF32E5E',1,'["a:read", "a:write"]',1.79539974266298222541e+09,0,NULL,'[]','{}',1.79539974263643765453e+09,'key_itpbe4wz7');
INSERT INTO "keys" VALUES(5,'key_LWpbTdZzv','acc_kfFjWY6bA','Key 697444855','lwa','live','lwa.sk_live_','ro4d',X'247277FA42F1145486E8B9F146A08B4F1BFB750BC9AA116904C570A73567D32C',1,'["a:read", "a:write"]',NULL,0,NULL,'[]','{}',1.79539974265226864817e+09,NULL);
INSERT INTO "keys" VALUES(8,'key_jvXXdVUIM','acc_kfFjWY6bA','Key 779378296','lwa','live','lwa.sk_live_','PkcP',X'53AA1B01942706BA570E0731C1BE2620CB9962EE8B86E43BABEBB08F83A1B156',1,'["a:read", "a:write"]',NULL,0,NULL,'[]','{}',1.79539974266984677319e+09,NULL);
INSERT INTO "keys" VALUES(9,'key_BjQU5LdrY','acc_kfFjWY6bA','Key 566537775','lwa','live','lwa.sk_live_','wyy5',X'A3C5185B0CF54212B16131B89BE2566635FDC9951727677E7984A286E21EE90E',1,'["*"]',NULL,0,NULL,'[]','{}',1.79539974267675232887e+09,NULL);
INSERT INTO "keys" VALUES(10,'key_E16Mlc0hI','acc_kfFjWY6bA','Key 238039615','lwa','live','lwa.sk_live_','c6nk',X'40F6E46C4823BB307A78EB9A4BD86940CB315B515FCB64A7CB9CF129CF53E612',1,'["*"]',NULL,0,NULL,'[]','{}',1.79539974267675232887e+09,NULL);
INSERT INTO "keys" VALUES(11,'key_aGZgkLu1C','acc_kfFjWY6bA','Key 820017699','lwa','live','lwa.sk_live_','34ni',X'294940B37338A43A1D001F30AD44D30CA8BE5A4180129E1CD91807CEB6815E6F',1,'["*"]',NULL,0,NULL,'[]','{}',1.79539974267675232887e+09,NULL);
INSERT INTO "keys" VALUES(12,'key_fp2y4vIgO','acc_kfFjWY6bA','Key 129804604','lwa','live','lwa.sk_live_','CaTm',X'2097FD3B0ACE6EBE475592FA8942DC47C3D2ACAC8BBF8EDA13A5CE5336B26F5C',1,'["*"]',NULL,0,'["10/s burst 50", "500/15m sliding", "1000/h"]','[]','{}',1.79539974267887425421e+09,NULL);
INSERT INTO "keys" VALUES(13,'key_NybnBYjDM','acc_kfFjWY6bA','Key 797947650','lwa','live','lwa.sk_live_','6aeV',X'105864203CE3DE3A0A8FCF3A2C1E461B76593C844AB81E62BCCF7357A8346509',1,'["*"]',NULL,0,NULL,'[]','{}',1.79539974267887425421e+09,NULL);
INSERT INTO "keys" VALUES(14,'key_vA3J6DivI','acc_kfFjWY6bA','Key 357228733','lwa','live','lwa.sk_live_','9Eck',X'BE7CBD1F6688FEFB2BA2E0D979326F666398261E3469BE8B00C4705A63397424',1,'["*"]',NULL,0,NULL,'[]','{}',1.79539974267887425421e+09,NULL);
INSERT INTO "keys" VALUES(15,'key_WaCqLhGXR','acc_kfFjWY6bA','Key 774687978','lwa','live','lwa.sk_live_','pV3F',X'042FAB1F09FC776D0548217EF6E78EBB411247B723C6B11B44E5E33BBF507298',1,'["a:read", "a:write"]',1.79539974268171739573e+09,0,NULL,'[]','{}',1.79539974268026423457e+09,'key_xrosQJMSi');
INSERT INTO "keys" VALUES(16,'key_xrosQJMSi','acc_kfFjWY6bA','Key 774687978','lwa','live','lwa.sk_live_','CnpO',X'09DC74D204B50D8ECA064058C56E5B4395E587F7CA7E072C494E83B73667C216',1,'["a:read", "a:write"]',NULL,0,NULL,'[]','{}',1.79539974268171739573e+09,NULL);
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
INSERT INTO "tombstones" VALUES(X'644536835EB2DB4AEB20DE4503CA0F3CD5DCB471B69A9EA7843D60E7558D4530','key_KRTP5ehj4',6,'acc_kfFjWY6bA','Key 27322286',1.79539974265652036667e+09);
INSERT INTO "tombstones" VALUES(X'EE516D36EA2A85D2CDF8447601334797C6188D7590B82FC392D1D1CE2C75A9C7','key_itpbe4wz7',7,'acc_kfFjWY6bA','Key 909925047',1.79539974266627454756e+09);
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
