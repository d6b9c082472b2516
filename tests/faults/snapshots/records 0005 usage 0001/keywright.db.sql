BEGIN TRANSACTION;
CREATE TABLE accounts (
	number INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	id VARCHAR(32) NOT NULL, 
	name VARCHAR(255) NOT NULL, 
	operator BOOLEAN NOT NULL, 
	created_at DOUBLE NOT NULL, limits TEXT, disabled BOOLEAN DEFAULT 0 NOT NULL, 
	UNIQUE (id)
);
INSERT INTO "accounts" VALUES(1,'acc_DBqHnCRYV','Operator',1,1.79539974537217760083e+09,NULL,0);
INSERT INTO "accounts" VALUES(2,'acc_ifYKxwLN4','Company',0,1.79539974537438702583e+09,NULL,0);
INSERT INTO "accounts" VALUES(3,'acc_gq4OKAFVN','Company',0,1.7953997453967413902e+09,NULL,0);
CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO "alembic_version" VALUES('0005');
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
INSERT INTO "audit_log" VALUES(1,1.79539974537273955344e+09,'acc_DBqHnCRYV','system','','','','account.create','acc_DBqHnCRYV','{"name": "Operator"}');
INSERT INTO "audit_log" VALUES(2,1.79539974537459588047e+09,'acc_ifYKxwLN4','library','workload','','','account.create','acc_ifYKxwLN4','{"name": "Company"}');
INSERT INTO "audit_log" VALUES(3,1.79539974537918353087e+09,'acc_ifYKxwLN4','library','workload','','','key.create','key_FC762a24x','{"name": "Key 144272509", "prefix": "lwa.sk_live_", "hint": "9g0p", "environment": "live", "scopes": ["a:read", "a:write"], "expires_at": null}');
INSERT INTO "audit_log" VALUES(4,1.79539974538134098052e+09,'acc_ifYKxwLN4','library','workload','','','key.create','key_uCstsMLWF','{"name": "Key 611178002", "prefix": "lwa.sk_live_", "hint": "ulwx", "environment": "live", "scopes": ["a:read", "a:write"], "expires_at": null}');
INSERT INTO "audit_log" VALUES(5,1.7953997453828837872e+09,'acc_ifYKxwLN4','library','workload','','','key.create','key_2CK0qThoV','{"name": "Key 909925047", "prefix": "lwa.sk_live_", "hint": "bo4y", "environment": "live", "scopes": ["a:read", "a:write"], "expires_at": null}');
INSERT INTO "audit_log" VALUES(6,1.79539974538655900957e+09,'acc_ifYKxwLN4','library','workload','','','key.rotate','key_2CK0qThoV','{"successor": "key_7teI1rt3y", "ends_at": "2026-11-24T02:09:05Z"}');
INSERT INTO "audit_log" VALUES(7,1795399745.39182,'acc_ifYKxwLN4','library','workload','','','key.update','key_uCstsMLWF','{"changed": ["metadata", "networks"]}');
INSERT INTO "audit_log" VALUES(8,1.79539974539684939387e+09,'acc_gq4OKAFVN','library','workload','','','account.create','acc_gq4OKAFVN','{"name": "Company"}');
INSERT INTO "audit_log" VALUES(9,1.79539974539848041536e+09,'acc_ifYKxwLN4','library','workload','','','key.update','key_uCstsMLWF','{"changed": ["expires_in_seconds"]}');
INSERT INTO "audit_log" VALUES(10,1.79539974540036725999e+09,'acc_ifYKxwLN4','library','workload','','','key.create','key_TWCRNdwBb','{"name": "Key 32845751", "prefix": "lwa.sk_live_", "hint": "tbVk", "environment": "live", "scopes": ["a:read", "a:write"], "expires_at": null}');
INSERT INTO "audit_log" VALUES(11,1.79539974540192580221e+09,'acc_ifYKxwLN4','library','workload','','','key.update','key_FC762a24x','{"changed": ["disabled"]}');
INSERT INTO "audit_log" VALUES(12,1.79539974540403032303e+09,'acc_ifYKxwLN4','library','workload','','','key.create','key_MzCl2RBk2','{"name": "Key 27322286", "prefix": "lwa.sk_live_", "hint": "Qe63", "environment": "live", "scopes": ["keys:write"], "expires_at": null}');
INSERT INTO "audit_log" VALUES(13,1.79539974540732789041e+09,'acc_ifYKxwLN4','key','key_MzCl2RBk2','','','key.delete','key_MzCl2RBk2','{"name": "Key 27322286", "prefix": "lwa.sk_live_", "hint": "Qe63", "environment": "live", "scopes": ["keys:write"], "expires_at": null}');
INSERT INTO "audit_log" VALUES(14,1.79539974540985608096e+09,'acc_ifYKxwLN4','library','workload','','','key.update','key_TWCRNdwBb','{"changed": ["name"]}');
INSERT INTO "audit_log" VALUES(15,1.79539974541307520861e+09,'acc_ifYKxwLN4','library','workload','','','key.update','key_FC762a24x','{"changed": ["rate_limit"]}');
INSERT INTO "audit_log" VALUES(16,1.79539974541633915901e+09,'acc_ifYKxwLN4','library','workload','','','key.rotate','key_7teI1rt3y','{"successor": "key_6RYrbKLik", "ends_at": "2026-11-23T02:09:05Z"}');
INSERT INTO "audit_log" VALUES(17,1.79539974541843771931e+09,'acc_ifYKxwLN4','library','workload','','','key.delete','key_6RYrbKLik','{"name": "Key 909925047", "prefix": "lwa.sk_live_", "hint": "GE1D", "environment": "live", "scopes": ["a:read", "a:write"], "expires_at": null}');
INSERT INTO "audit_log" VALUES(18,1.79539974542069697381e+09,'acc_ifYKxwLN4','library','workload','','','key.update','key_FC762a24x','{"changed": ["disabled"]}');
INSERT INTO "audit_log" VALUES(19,1.79539974542388319975e+09,'acc_ifYKxwLN4','library','workload','','','key.create','key_xrt3z9pOB','{"name": "Key 779378296", "prefix": "lwa.sk_live_", "hint": "atMf", "environment": "live", "scopes": ["a:read", "a:write"], "expires_at": null}');
INSERT INTO "audit_log" VALUES(20,1.79539974542570352549e+09,'acc_ifYKxwLN4','library','workload','','','key.update','key_FC762a24x','{"changed": ["scopes"]}');
INSERT INTO "audit_log" VALUES(21,1.79539974542861700051e+09,'acc_ifYKxwLN4','library','workload','','','key.create_many','acc_ifYKxwLN4','{"count": 3, "first": "key_JAKjLMJy3", "last": "key_10tJiIa1R"}');
INSERT INTO "audit_log" VALUES(22,1.79539974543035340311e+09,'acc_ifYKxwLN4','library','workload','','','key.create_many','acc_ifYKxwLN4','{"count": 3, "first": "key_V6ga7J5nw", "last": "key_Nl7K7Ucqi"}');
INSERT INTO "audit_log" VALUES(23,1.79539974543212318414e+09,'acc_ifYKxwLN4','library','workload','','','key.create','key_CsswcpR09','{"name": "Key 774687978", "prefix": "lwa.sk_live_", "hint": "gFcM", "environment": "live", "scopes": ["a:read", "a:write"], "expires_at": null}');
INSERT INTO "audit_log" VALUES(24,1.79539974543384838107e+09,'acc_ifYKxwLN4','library','workload','','','key.rotate','key_CsswcpR09','{"successor": "key_4GwiYkUZ8", "ends_at": "2026-11-23T02:09:05Z"}');
INSERT INTO "audit_log" VALUES(25,1.79539974543581795692e+09,'acc_ifYKxwLN4','library','workload','','','key.update','key_V6ga7J5nw','{"changed": ["rate_limit"]}');
CREATE TABLE changes (
	version INTEGER NOT NULL, 
	key_id VARCHAR(32) NOT NULL, account_id VARCHAR(32), 
	PRIMARY KEY (version)
);
INSERT INTO "changes" VALUES(1,'key_2CK0qThoV',NULL);
INSERT INTO "changes" VALUES(2,'key_uCstsMLWF',NULL);
INSERT INTO "changes" VALUES(3,'key_uCstsMLWF',NULL);
INSERT INTO "changes" VALUES(4,'key_FC762a24x',NULL);
INSERT INTO "changes" VALUES(5,'key_MzCl2RBk2',NULL);
INSERT INTO "changes" VALUES(6,'key_TWCRNdwBb',NULL);
INSERT INTO "changes" VALUES(7,'key_FC762a24x',NULL);
INSERT INTO "changes" VALUES(8,'key_7teI1rt3y',NULL);
INSERT INTO "changes" VALUES(9,'key_6RYrbKLik',NULL);
INSERT INTO "changes" VALUES(10,'key_FC762a24x',NULL);
INSERT INTO "changes" VALUES(11,'key_FC762a24x',NULL);
INSERT INTO "changes" VALUES(12,'key_CsswcpR09',NULL);
INSERT INTO "changes" VALUES(13,'key_V6ga7J5nw',NULL);
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
INSERT INTO "idempotency" VALUES('acc_ifYKxwLN4','013e3f2f049be5d5455d20201fc56365e288c27926beea55ec1b7a1e36d1ecd7','key_xrt3z9pOB',1.79539974542170906071e+09);
INSERT INTO "idempotency" VALUES('acc_ifYKxwLN4','d125cf71f9d66c494d680573c3447bcc71ed0a03146bba9916e2411ea16eb7a2','key_CsswcpR09',1.79539974543098211287e+09);
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
INSERT INTO "keys" VALUES(1,'key_FC762a24x','acc_ifYKxwLN4','Key 144272509','lwa','live','lwa.sk_live_','9g0p',X'054E112AE4E9285F2D0BB672E82A38A3931714DB1884E57E6F09D28C67BCDE41',1,'["a:read"]',NULL,1,'["10/s burst 50", "500/15m sliding", "1000/h"]','[]','{}',1.79539974537525343894e+09,NULL);
INSERT INTO "keys" VALUES(2,'key_uCstsMLWF','acc_ifYKxwLN4','Key 611178002','lwa','live','lwa.sk_live_','ulwx',X'64BEEBE9B9FCEC53DF19D4FE218F7A1A76C2E391DD51B701AFA014A11E11B6B4',1,'["a:read", "a:write"]',1.79548614539734911919e+09,0,NULL,'["192.0.2.0/24"]','{"n":"Key 478230859"}',1.7953997453801169396e+09,NULL);
INSERT INTO "keys" VALUES(3,'key_2CK0qThoV','acc_ifYKxwLN4','Key 909925047','lwa','live','lwa.sk_live_','bo4y',X'5718F870209DF476470DF870F2C78F5F387223F5F32652E5909A4D81629FB558',1,'["a:read", "a:write"]',1.79548614538345789907e+09,0,NULL,'[]','{}',1.79539974538192367552e+09,'key_7teI1rt3y');
INSERT INTO "keys" VALUES(4,'key_7teI1rt3y','acc_ifYKxwLN4','Key 909925047','lwa','live','lwa.sk_live_','Te4k',X'1ACD0C5B7CE34D77AEC6F7ED7F20D2E26DB0DE438B259E0B1E9579B476B2F8CB',1,'["a:read", "a:write"]',1.79539974541475439067e+09,0,NULL,'[]','{}',1.79539974538345789914e+09,'key_6RYrbKLik');
INSERT INTO "keys" VALUES(5,'key_TWCRNdwBb','acc_ifYKxwLN4','Key 697444855','lwa','live','lwa.sk_live_','tbVk',X'5686DE49C3C9803FAC0A139D55A2BCD7A235EA062A6C681D11C612891C34B834',1,'["a:read", "a:write"]',NULL,0,NULL,'[]','{}',1.79539974539945173265e+09,NULL);
INSERT INTO "keys" VALUES(8,'key_xrt3z9pOB','acc_ifYKxwLN4','Key 779378296','lwa','live','lwa.sk_live_','atMf',X'953D51F90FB74D292B2C049E24CFC3CBA7DAC12870120FF1D7444C354DABD4AE',1,'["a:read", "a:write"]',NULL,0,NULL,'[]','{}',1.79539974542170906071e+09,NULL);
INSERT INTO "keys" VALUES(9,'key_JAKjLMJy3','acc_ifYKxwLN4','Key 566537775','lwa','live','lwa.sk_live_','Xg66',X'0C270673615D10C60D2D78A6E1213BE99064E65278D74170F051F5B8205D3F04',1,'["*"]',NULL,0,NULL,'[]','{}',1.79539974542689895632e+09,NULL);
INSERT INTO "keys" VALUES(10,'key_KsvogYvDj','acc_ifYKxwLN4','Key 238039615','lwa','live','lwa.sk_live_','6eo1',X'5DB2E43B73B262BC823A5AB062623E4F182FC7CB02B43A5A3F8AD52E6914CABA',1,'["*"]',NULL,0,NULL,'[]','{}',1.79539974542689895632e+09,NULL);
INSERT INTO "keys" VALUES(11,'key_10tJiIa1R','acc_ifYKxwLN4','Key 820017699','lwa','live','lwa.sk_live_','pB6R',X'4BB0290D1CDC427BBA4257DFD9CF4DC88BD456E27128FE0A297C5FCEBFC74672',1,'["*"]',NULL,0,NULL,'[]','{}',1.79539974542689895632e+09,NULL);
INSERT INTO "keys" VALUES(12,'key_V6ga7J5nw','acc_ifYKxwLN4','Key 129804604','lwa','live','lwa.sk_live_','tEFT',X'6A00F3B79AE63B6B17E9B26F084243C66E27D56D0BC657A90FA6D70954383F52',1,'["*"]',NULL,0,'["10/s burst 50", "500/15m sliding", "1000/h"]','[]','{}',1.79539974542935299871e+09,NULL);
INSERT INTO "keys" VALUES(13,'key_alPuDvwwK','acc_ifYKxwLN4','Key 797947650','lwa','live','lwa.sk_live_','zOdY',X'88604439AD762A183FA79B794DF097711FC6F04136B620C220AA7CA975B45457',1,'["*"]',NULL,0,NULL,'[]','{}',1.79539974542935299871e+09,NULL);
INSERT INTO "keys" VALUES(14,'key_Nl7K7Ucqi','acc_ifYKxwLN4','Key 357228733','lwa','live','lwa.sk_live_','dLO8',X'8406B3BE2055FEB31BE07BBB20F35BBC38C692AA53CBBEFEA1B2C951CEF614F0',1,'["*"]',NULL,0,NULL,'[]','{}',1.79539974542935299871e+09,NULL);
INSERT INTO "keys" VALUES(15,'key_CsswcpR09','acc_ifYKxwLN4','Key 774687978','lwa','live','lwa.sk_live_','gFcM',X'F4FD0072B4AB4AAD2373882C8D09EFBFE1AF6B955E67817A541328D74D067FD8',1,'["a:read", "a:write"]',1.79539974543274760245e+09,0,NULL,'[]','{}',1.79539974543098211287e+09,'key_4GwiYkUZ8');
INSERT INTO "keys" VALUES(16,'key_4GwiYkUZ8','acc_ifYKxwLN4','Key 774687978','lwa','live','lwa.sk_live_','lrCm',X'EA57F13D3EB8B4D99DA13C2FC7427203BAB6BE9848809F1B5A1288BFA3168D79',1,'["a:read", "a:write"]',NULL,0,NULL,'[]','{}',1.79539974543274760245e+09,NULL);
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
INSERT INTO "tombstones" VALUES(X'5FEB02DE6E5689B0CE622795627000981C9F70537B05CA253E5ECD3A9EA64182','key_MzCl2RBk2',6,'acc_ifYKxwLN4','Key 27322286',1.79539974540495920183e+09);
INSERT INTO "tombstones" VALUES(X'E9218360D3B5DD990BC83DEF87E484421EFE306F0A1D750D44461CED7A6339B7','key_6RYrbKLik',7,'acc_ifYKxwLN4','Key 909925047',1.7953997454177935124e+09);
CREATE INDEX keys_of_account ON keys (account_id, slot);
CREATE INDEX audit_log_of_account ON audit_log (account_id, number);
CREATE INDEX memberships_of_member ON memberships (member_id);
CREATE INDEX sessions_of_member ON sessions (member_id);
CREATE INDEX tokens_of_account ON tokens (account_id, kind);
CREATE INDEX attempts_by_end ON attempts (ends_at);
CREATE UNIQUE INDEX identities_of_member ON identities (member_id, issuer);
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('accounts',3);
INSERT INTO "sqlite_sequence" VALUES('audit_log',25);
INSERT INTO "sqlite_sequence" VALUES('keys',16);
COMMIT;
