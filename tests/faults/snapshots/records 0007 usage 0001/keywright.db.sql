BEGIN TRANSACTION;
CREATE TABLE accounts (
	number INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	id VARCHAR(32) NOT NULL, 
	name VARCHAR(255) NOT NULL, 
	operator BOOLEAN NOT NULL, 
	created_at DOUBLE NOT NULL, limits TEXT, disabled BOOLEAN DEFAULT 0 NOT NULL, 
	UNIQUE (id)
);
INSERT INTO "accounts" VALUES(1,'acc_HLNUwSPKh','Operator',1,1.79540830857279348374e+09,NULL,0);
INSERT INTO "accounts" VALUES(2,'acc_RRHEw30c9','Company',0,1.79540830857432746892e+09,NULL,0);
INSERT INTO "accounts" VALUES(3,'acc_GN7wNffl6','Company',0,1.79540830859270858759e+09,NULL,0);
CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO "alembic_version" VALUES('0007');
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
INSERT INTO "audit_log" VALUES(1,1.79540830857311916354e+09,'acc_HLNUwSPKh','system','','','','account.create','acc_HLNUwSPKh','{"name": "Operator"}');
INSERT INTO "audit_log" VALUES(2,1.79540830857441711422e+09,'acc_RRHEw30c9','library','workload','','','account.create','acc_RRHEw30c9','{"name": "Company"}');
INSERT INTO "audit_log" VALUES(3,1795408308.57737,'acc_RRHEw30c9','library','workload','','','key.create','key_Y9XDCu4wr','{"name": "Key 144272509", "prefix": "lwa.sk_live_", "hint": "ZT1K", "environment": "live", "scopes": ["a:read", "a:write"], "expires_at": null}');
INSERT INTO "audit_log" VALUES(4,1.79540830857886934282e+09,'acc_RRHEw30c9','library','workload','','','key.create','key_nPwIuiges','{"name": "Key 611178002", "prefix": "lwa.sk_live_", "hint": "TCmj", "environment": "live", "scopes": ["a:read", "a:write"], "expires_at": null}');
INSERT INTO "audit_log" VALUES(5,1.79540830858036708833e+09,'acc_RRHEw30c9','library','workload','','','key.create','key_h32X6sXDE','{"name": "Key 909925047", "prefix": "lwa.sk_live_", "hint": "23tF", "environment": "live", "scopes": ["a:read", "a:write"], "expires_at": null}');
INSERT INTO "audit_log" VALUES(6,1.79540830858388519289e+09,'acc_RRHEw30c9','library','workload','','','key.rotate','key_h32X6sXDE','{"successor": "key_elWuAPQvv", "ends_at": "2026-11-24T04:31:48Z"}');
INSERT INTO "audit_log" VALUES(7,1.79540830858856463427e+09,'acc_RRHEw30c9','library','workload','','','key.update','key_nPwIuiges','{"changed": ["metadata", "networks"]}');
INSERT INTO "audit_log" VALUES(8,1.79540830859278225904e+09,'acc_GN7wNffl6','library','workload','','','account.create','acc_GN7wNffl6','{"name": "Company"}');
INSERT INTO "audit_log" VALUES(9,1.79540830859422850611e+09,'acc_RRHEw30c9','library','workload','','','key.update','key_nPwIuiges','{"changed": ["expires_in_seconds"]}');
INSERT INTO "audit_log" VALUES(10,1.79540830859589052199e+09,'acc_RRHEw30c9','library','workload','','','key.create','key_1GilVLT8C','{"name": "Key 32845751", "prefix": "lwa.sk_live_", "hint": "VTSK", "environment": "live", "scopes": ["a:read", "a:write"], "expires_at": null}');
INSERT INTO "audit_log" VALUES(11,1.7954083085972707271e+09,'acc_RRHEw30c9','library','workload','','','key.update','key_Y9XDCu4wr','{"changed": ["disabled"]}');
INSERT INTO "audit_log" VALUES(12,1.79540830859905290598e+09,'acc_RRHEw30c9','library','workload','','','key.create','key_iNjBv29Ri','{"name": "Key 27322286", "prefix": "lwa.sk_live_", "hint": "t2hk", "environment": "live", "scopes": ["keys:write"], "expires_at": null}');
INSERT INTO "audit_log" VALUES(13,1.79540830860119509692e+09,'acc_RRHEw30c9','key','key_iNjBv29Ri','','','key.delete','key_iNjBv29Ri','{"name": "Key 27322286", "prefix": "lwa.sk_live_", "hint": "t2hk", "environment": "live", "scopes": ["keys:write"], "expires_at": null}');
INSERT INTO "audit_log" VALUES(14,1.79540830860259246828e+09,'acc_RRHEw30c9','library','workload','','','key.update','key_1GilVLT8C','{"changed": ["name"]}');
INSERT INTO "audit_log" VALUES(15,1.7954083086043288708e+09,'acc_RRHEw30c9','library','workload','','','key.update','key_Y9XDCu4wr','{"changed": ["rate_limit"]}');
INSERT INTO "audit_log" VALUES(16,1.79540830860632514955e+09,'acc_RRHEw30c9','library','workload','','','key.rotate','key_elWuAPQvv','{"successor": "key_PpQpLTouL", "ends_at": "2026-11-23T04:31:48Z"}');
INSERT INTO "audit_log" VALUES(17,1.79540830860788035387e+09,'acc_RRHEw30c9','library','workload','','','key.delete','key_PpQpLTouL','{"name": "Key 909925047", "prefix": "lwa.sk_live_", "hint": "moxN", "environment": "live", "scopes": ["a:read", "a:write"], "expires_at": null}');
INSERT INTO "audit_log" VALUES(18,1.79540830860891723625e+09,'acc_RRHEw30c9','library','workload','','','key.update','key_Y9XDCu4wr','{"changed": ["disabled"]}');
INSERT INTO "audit_log" VALUES(19,1.79540830861146926875e+09,'acc_RRHEw30c9','library','workload','','','key.create','key_JwS9p4jCL','{"name": "Key 779378296", "prefix": "lwa.sk_live_", "hint": "JS0d", "environment": "live", "scopes": ["a:read", "a:write"], "expires_at": null}');
INSERT INTO "audit_log" VALUES(20,1.79540830861279106138e+09,'acc_RRHEw30c9','library','workload','','','key.update','key_Y9XDCu4wr','{"changed": ["scopes"]}');
INSERT INTO "audit_log" VALUES(21,1.79540830861486506468e+09,'acc_RRHEw30c9','library','workload','','','key.create_many','acc_RRHEw30c9','{"count": 3, "first": "key_Za7TqzqG2", "last": "key_TKumzWRHe"}');
INSERT INTO "audit_log" VALUES(22,1.79540830861631894106e+09,'acc_RRHEw30c9','library','workload','','','key.create_many','acc_RRHEw30c9','{"count": 3, "first": "key_8XuQzg5QP", "last": "key_KZNPHTzaG"}');
INSERT INTO "audit_log" VALUES(23,1.79540830861783838275e+09,'acc_RRHEw30c9','library','workload','','','key.create','key_zudyvAoNg','{"name": "Key 774687978", "prefix": "lwa.sk_live_", "hint": "a2HY", "environment": "live", "scopes": ["a:read", "a:write"], "expires_at": null}');
INSERT INTO "audit_log" VALUES(24,1.79540830861931133268e+09,'acc_RRHEw30c9','library','workload','','','key.rotate','key_zudyvAoNg','{"successor": "key_WlV2TOq8S", "ends_at": "2026-11-23T04:31:48Z"}');
INSERT INTO "audit_log" VALUES(25,1.79540830862102198601e+09,'acc_RRHEw30c9','library','workload','','','key.update','key_8XuQzg5QP','{"changed": ["rate_limit"]}');
CREATE TABLE changes (
	version INTEGER NOT NULL, 
	key_id VARCHAR(32) NOT NULL, account_id VARCHAR(32), 
	PRIMARY KEY (version)
);
INSERT INTO "changes" VALUES(1,'key_h32X6sXDE',NULL);
INSERT INTO "changes" VALUES(2,'key_nPwIuiges',NULL);
INSERT INTO "changes" VALUES(3,'key_nPwIuiges',NULL);
INSERT INTO "changes" VALUES(4,'key_Y9XDCu4wr',NULL);
INSERT INTO "changes" VALUES(5,'key_iNjBv29Ri',NULL);
INSERT INTO "changes" VALUES(6,'key_1GilVLT8C',NULL);
INSERT INTO "changes" VALUES(7,'key_Y9XDCu4wr',NULL);
INSERT INTO "changes" VALUES(8,'key_elWuAPQvv',NULL);
INSERT INTO "changes" VALUES(9,'key_PpQpLTouL',NULL);
INSERT INTO "changes" VALUES(10,'key_Y9XDCu4wr',NULL);
INSERT INTO "changes" VALUES(11,'key_Y9XDCu4wr',NULL);
INSERT INTO "changes" VALUES(12,'key_zudyvAoNg',NULL);
INSERT INTO "changes" VALUES(13,'key_8XuQzg5QP',NULL);
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
INSERT INTO "idempotency" VALUES('acc_RRHEw30c9','013e3f2f049be5d5455d20201fc56365e288c27926beea55ec1b7a1e36d1ecd7','key_JwS9p4jCL',1.79540830860979819293e+09);
INSERT INTO "idempotency" VALUES('acc_RRHEw30c9','d125cf71f9d66c494d680573c3447bcc71ed0a03146bba9916e2411ea16eb7a2','key_zudyvAoNg',1.79540830861684107778e+09);
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
INSERT INTO "keys" VALUES(1,'key_Y9XDCu4wr','acc_RRHEw30c9','Key 144272509','lwa','live','lwa.sk_live_','ZT1K',X'ED5C0A46D691FF7F75DACD64D48CB105EB50784E96A05C6F43721F60BB726D07',1,'["a:read"]',NULL,1,'["10/s burst 50", "500/15m sliding", "1000/h"]','[]','{}',1.79540830857493066783e+09,NULL);
INSERT INTO "keys" VALUES(2,'key_nPwIuiges','acc_RRHEw30c9','Key 611178002','lwa','live','lwa.sk_live_','TCmj',X'95F9DB9F4198860FEDCE691059988366E77383F6918D3AE16E95D7A86DC3C84F',1,'["a:read", "a:write"]',1.79549470859325289726e+09,0,NULL,'["192.0.2.0/24"]','{"n":"Key 478230859"}',1.79540830857797336578e+09,NULL);
INSERT INTO "keys" VALUES(3,'key_h32X6sXDE','acc_RRHEw30c9','Key 909925047','lwa','live','lwa.sk_live_','23tF',X'4B7150769DF8614E73B2C442954A1436F43074601A188FD87DEE5644841E5CAF',1,'["a:read", "a:write"]',1.79549470858152604097e+09,0,NULL,'[]','{}',1795408308.57943,'key_elWuAPQvv');
INSERT INTO "keys" VALUES(4,'key_elWuAPQvv','acc_RRHEw30c9','Key 909925047','lwa','live','lwa.sk_live_','GGnK',X'8FB6B6F02DA8F4383AE55C9E2C13D565B2EAF4C8A2CDA9CFAC782BA219C77824',1,'["a:read", "a:write"]',1.7954083086052005291e+09,0,NULL,'[]','{}',1.79540830858152604104e+09,'key_PpQpLTouL');
INSERT INTO "keys" VALUES(5,'key_1GilVLT8C','acc_RRHEw30c9','Key 697444855','lwa','live','lwa.sk_live_','VTSK',X'4B5ACE758E897B83E4DBD9B88BC47D4BCF1F0965412A265A7C3FED2940A6AFCA',1,'["a:read", "a:write"]',NULL,0,NULL,'[]','{}',1.79540830859512233735e+09,NULL);
INSERT INTO "keys" VALUES(8,'key_JwS9p4jCL','acc_RRHEw30c9','Key 779378296','lwa','live','lwa.sk_live_','JS0d',X'0E34C1DCB840D85CD4D41591223C210EA7F7E30CA5627138462F1411FA9B0366',1,'["a:read", "a:write"]',NULL,0,NULL,'[]','{}',1.79540830860979819293e+09,NULL);
INSERT INTO "keys" VALUES(9,'key_Za7TqzqG2','acc_RRHEw30c9','Key 566537775','lwa','live','lwa.sk_live_','DKUr',X'B77AFE6D08B0718A5B5087666ECE3918512516458FADE8147328D1D2D5021434',1,'["*"]',NULL,0,NULL,'[]','{}',1.79540830861358571054e+09,NULL);
INSERT INTO "keys" VALUES(10,'key_BGqeojE7v','acc_RRHEw30c9','Key 238039615','lwa','live','lwa.sk_live_','Lvkc',X'6B8A3D70BE5A2551C90154F3E365CEFE3F75F13A83F8CFBCEFCE609E8B014E53',1,'["*"]',NULL,0,NULL,'[]','{}',1.79540830861358571054e+09,NULL);
INSERT INTO "keys" VALUES(11,'key_TKumzWRHe','acc_RRHEw30c9','Key 820017699','lwa','live','lwa.sk_live_','MkJx',X'C8ECD82A943573BD9BB98E98A9BE540AFB22BD1B40D8EDB791A21A178A945E81',1,'["*"]',NULL,0,NULL,'[]','{}',1.79540830861358571054e+09,NULL);
INSERT INTO "keys" VALUES(12,'key_8XuQzg5QP','acc_RRHEw30c9','Key 129804604','lwa','live','lwa.sk_live_','O2Qz',X'01A2994C866370C791C7E644F3EA1810455BCC8703F1521295BD504AB5129EFC',1,'["*"]',NULL,0,'["10/s burst 50", "500/15m sliding", "1000/h"]','[]','{}',1.79540830861542391773e+09,NULL);
INSERT INTO "keys" VALUES(13,'key_pSUY47zog','acc_RRHEw30c9','Key 797947650','lwa','live','lwa.sk_live_','UFM6',X'31B43DAFB9C5B61E971B2FE4C2FEEFCA139F8FC6399EE6B0A1978010720737DC',1,'["*"]',NULL,0,NULL,'[]','{}',1.79540830861542391773e+09,NULL);
INSERT INTO "keys" VALUES(14,'key_KZNPHTzaG','acc_RRHEw30c9','Key 357228733','lwa','live','lwa.sk_live_','k7R1',X'61DE7A614FEEEBE6368EB4ADBBDF3175A81FAB2959271F04AF78526531BCDF9F',1,'["*"]',NULL,0,NULL,'[]','{}',1.79540830861542391773e+09,NULL);
INSERT INTO "keys" VALUES(15,'key_zudyvAoNg','acc_RRHEw30c9','Key 774687978','lwa','live','lwa.sk_live_','a2HY',X'C5A48F6D1F4305197768AB26AC224B9904BEE3FABE6727EDA7577149043F72A5',1,'["a:read", "a:write"]',1.79540830861836576458e+09,0,NULL,'[]','{}',1.79540830861684107778e+09,'key_WlV2TOq8S');
INSERT INTO "keys" VALUES(16,'key_WlV2TOq8S','acc_RRHEw30c9','Key 774687978','lwa','live','lwa.sk_live_','MoAF',X'3B937572196ED8A91581A777B8DAA6156A531295809ADDB61CC437ED0513802C',1,'["a:read", "a:write"]',NULL,0,NULL,'[]','{}',1.79540830861836576458e+09,NULL);
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
CREATE TABLE passkeys (
	id VARCHAR(32) NOT NULL, 
	member_id VARCHAR(32) NOT NULL, 
	credential_id BLOB NOT NULL, 
	public_key BLOB NOT NULL, 
	party VARCHAR(255) NOT NULL, 
	name VARCHAR(255) NOT NULL, 
	sign_count BIGINT NOT NULL, 
	created_at DOUBLE NOT NULL, 
	used_at DOUBLE, 
	PRIMARY KEY (id), 
	FOREIGN KEY(member_id) REFERENCES members (id), 
	UNIQUE (credential_id)
);
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
INSERT INTO "tombstones" VALUES(X'8709A54B361B9F34573A974C2CD5CAC5CC4F8956368AE53C970A7A06F7FD3F7D','key_iNjBv29Ri',6,'acc_RRHEw30c9','Key 27322286',1.7954083085996205807e+09);
INSERT INTO "tombstones" VALUES(X'24A0167A2478BD2D88AA8A2E51194F6B7B8E6E286C6A46E7407C1134F09C34B3','key_PpQpLTouL',7,'acc_RRHEw30c9','Key 909925047',1.7954083086073806286e+09);
CREATE INDEX keys_of_account ON keys (account_id, slot);
CREATE INDEX audit_log_of_account ON audit_log (account_id, number);
CREATE INDEX memberships_of_member ON memberships (member_id);
CREATE INDEX sessions_of_member ON sessions (member_id);
CREATE INDEX tokens_of_account ON tokens (account_id, kind);
CREATE INDEX attempts_by_end ON attempts (ends_at);
CREATE UNIQUE INDEX identities_of_member ON identities (member_id, issuer);
CREATE INDEX portal_sessions_by_end ON portal_sessions (expires_at);
CREATE INDEX passkeys_of_member ON passkeys (member_id);
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('accounts',3);
INSERT INTO "sqlite_sequence" VALUES('audit_log',25);
INSERT INTO "sqlite_sequence" VALUES('keys',16);
COMMIT;
