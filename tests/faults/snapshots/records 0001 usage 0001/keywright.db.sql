BEGIN TRANSACTION;
CREATE TABLE accounts (
	number INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	id VARCHAR(32) NOT NULL, 
	name VARCHAR(255) NOT NULL, 
	operator BOOLEAN NOT NULL, 
	created_at DOUBLE NOT NULL, 
	UNIQUE (id)
);
INSERT INTO "accounts" VALUES(1,'acc_FBX7WZxRl','Operator',1,1.79538258815361809724e+09);
INSERT INTO "accounts" VALUES(2,'acc_aE26puF67','Company',0,1.79538258816861057282e+09);
INSERT INTO "accounts" VALUES(3,'acc_6yTNk20dR','Company',0,1.79538258840762066839e+09);
INSERT INTO "accounts" VALUES(4,'acc_JhS1gcMor','Company',0,1.79538258849268317221e+09);
CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO "alembic_version" VALUES('0001');
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
INSERT INTO "audit_log" VALUES(1,1.79538258815408182148e+09,'acc_FBX7WZxRl','system','','','','account.create','acc_FBX7WZxRl','{"name": "Operator"}');
INSERT INTO "audit_log" VALUES(2,1.79538258816884922983e+09,'acc_aE26puF67','library','workload','','','account.create','acc_aE26puF67','{"name": "Company"}');
INSERT INTO "audit_log" VALUES(3,1.79538258818278241156e+09,'acc_aE26puF67','library','workload','','','key.create','key_6LVn5yVcj','{"name": "Key 144272509", "prefix": "lwa.sk_live_", "hint": "Q4oP", "environment": "live", "scopes": ["a:read", "a:write"], "expires_at": null}');
INSERT INTO "audit_log" VALUES(4,1.79538258821827960021e+09,'acc_aE26puF67','library','workload','','','key.create','key_X2xqCGV8z','{"name": "Key 611178002", "prefix": "lwa.sk_live_", "hint": "haEK", "environment": "live", "scopes": ["a:read", "a:write"], "expires_at": null}');
INSERT INTO "audit_log" VALUES(5,1.79538258823432707788e+09,'acc_aE26puF67','library','workload','','','key.create','key_ABf850GQS','{"name": "Key 909925047", "prefix": "lwa.sk_live_", "hint": "dSAT", "environment": "live", "scopes": ["a:read", "a:write"], "expires_at": null}');
INSERT INTO "audit_log" VALUES(6,1.79538258824817204472e+09,'acc_aE26puF67','library','workload','','','key.create_many','acc_aE26puF67','{"count": 3, "first": "key_xi9N9whEb", "last": "key_ANEW9PBZa"}');
INSERT INTO "audit_log" VALUES(7,1.79538258825850987436e+09,'acc_aE26puF67','library','workload','','','key.update','key_xi9N9whEb','{"changed": ["disabled"]}');
INSERT INTO "audit_log" VALUES(8,1.79538258828650093079e+09,'acc_aE26puF67','library','workload','','','key.delete','key_yXDFPCeB2','{"name": "Key 897395948", "prefix": "lwa.sk_live_", "hint": "ROWA", "environment": "live", "scopes": ["*"], "expires_at": null}');
INSERT INTO "audit_log" VALUES(9,1.79538258834972906108e+09,'acc_aE26puF67','library','workload','','','key.create','key_hF77VpmJf','{"name": "Key 818492001", "prefix": "lwa.sk_live_", "hint": "JTbL", "environment": "live", "scopes": ["a:read", "a:write"], "expires_at": null}');
INSERT INTO "audit_log" VALUES(10,1.79538258835426592831e+09,'acc_aE26puF67','library','workload','','','key.rotate','key_6LVn5yVcj','{"successor": "key_k212hHOvn", "ends_at": "2026-11-22T21:23:08Z"}');
INSERT INTO "audit_log" VALUES(11,1.79538258835808205602e+09,'acc_aE26puF67','library','workload','','','key.update','key_ANEW9PBZa','{"changed": ["name"]}');
INSERT INTO "audit_log" VALUES(12,1.79538258836068725585e+09,'acc_aE26puF67','library','workload','','','key.update','key_k212hHOvn','{"changed": ["metadata", "networks"]}');
INSERT INTO "audit_log" VALUES(13,1.79538258836519217485e+09,'acc_aE26puF67','library','workload','','','key.update','key_ABf850GQS','{"changed": ["expires_in_seconds"]}');
INSERT INTO "audit_log" VALUES(14,1.79538258837798070906e+09,'acc_aE26puF67','library','workload','','','key.rotate','key_X2xqCGV8z','{"successor": "key_9fZgzG7QW", "ends_at": "2026-11-23T21:23:08Z"}');
INSERT INTO "audit_log" VALUES(15,1.79538258839341330523e+09,'acc_aE26puF67','library','workload','','','key.update','key_hF77VpmJf','{"changed": ["disabled"]}');
INSERT INTO "audit_log" VALUES(16,1.79538258840786743163e+09,'acc_6yTNk20dR','library','workload','','','account.create','acc_6yTNk20dR','{"name": "Company"}');
INSERT INTO "audit_log" VALUES(17,1.79538258841397738458e+09,'acc_aE26puF67','library','workload','','','key.update','key_xi9N9whEb','{"changed": ["scopes"]}');
INSERT INTO "audit_log" VALUES(18,1.79538258842611861227e+09,'acc_aE26puF67','library','workload','','','key.create','key_H9zeOuyhb','{"name": "Key 27322286", "prefix": "lwa.sk_live_", "hint": "HDyJ", "environment": "live", "scopes": ["a:read", "a:write"], "expires_at": null}');
INSERT INTO "audit_log" VALUES(19,1.79538258846175026893e+09,'acc_aE26puF67','library','workload','','','key.create','key_UdvQLJvlf','{"name": "Key 737106430", "prefix": "lwa.sk_live_", "hint": "6yQR", "environment": "live", "scopes": ["keys:write"], "expires_at": null}');
INSERT INTO "audit_log" VALUES(20,1.79538258846437716485e+09,'acc_aE26puF67','key','key_UdvQLJvlf','','','key.delete','key_UdvQLJvlf','{"name": "Key 737106430", "prefix": "lwa.sk_live_", "hint": "6yQR", "environment": "live", "scopes": ["keys:write"], "expires_at": null}');
INSERT INTO "audit_log" VALUES(21,1.79538258846650934218e+09,'acc_aE26puF67','library','workload','','','key.rotate','key_9fZgzG7QW','{"successor": "key_LP6NooibH", "ends_at": "2026-11-23T21:23:08Z"}');
INSERT INTO "audit_log" VALUES(22,1.79538258847753334039e+09,'acc_aE26puF67','library','workload','','','key.create','key_vMsDzTegC','{"name": "Key 311150634", "prefix": "lwa.sk_live_", "hint": "zaL3", "environment": "live", "scopes": ["keys:write"], "expires_at": null}');
INSERT INTO "audit_log" VALUES(23,1.7953825884848248959e+09,'acc_aE26puF67','key','key_vMsDzTegC','','','key.delete','key_vMsDzTegC','{"name": "Key 311150634", "prefix": "lwa.sk_live_", "hint": "zaL3", "environment": "live", "scopes": ["keys:write"], "expires_at": null}');
INSERT INTO "audit_log" VALUES(24,1.79538258849281048769e+09,'acc_JhS1gcMor','library','workload','','','account.create','acc_JhS1gcMor','{"name": "Company"}');
INSERT INTO "audit_log" VALUES(25,1.79538258849920606607e+09,'acc_aE26puF67','library','workload','','','key.update','key_xi9N9whEb','{"changed": ["metadata", "networks"]}');
INSERT INTO "audit_log" VALUES(26,1.79538258851480221752e+09,'acc_aE26puF67','library','workload','','','key.create_many','acc_aE26puF67','{"count": 3, "first": "key_OE4EsMv5y", "last": "key_9nHCGiAVs"}');
CREATE TABLE changes (
	version INTEGER NOT NULL, 
	key_id VARCHAR(32) NOT NULL, 
	PRIMARY KEY (version)
);
INSERT INTO "changes" VALUES(1,'key_xi9N9whEb');
INSERT INTO "changes" VALUES(2,'key_yXDFPCeB2');
INSERT INTO "changes" VALUES(3,'key_6LVn5yVcj');
INSERT INTO "changes" VALUES(4,'key_ANEW9PBZa');
INSERT INTO "changes" VALUES(5,'key_k212hHOvn');
INSERT INTO "changes" VALUES(6,'key_ABf850GQS');
INSERT INTO "changes" VALUES(7,'key_X2xqCGV8z');
INSERT INTO "changes" VALUES(8,'key_hF77VpmJf');
INSERT INTO "changes" VALUES(9,'key_xi9N9whEb');
INSERT INTO "changes" VALUES(10,'key_UdvQLJvlf');
INSERT INTO "changes" VALUES(11,'key_9fZgzG7QW');
INSERT INTO "changes" VALUES(12,'key_vMsDzTegC');
INSERT INTO "changes" VALUES(13,'key_xi9N9whEb');
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
INSERT INTO "idempotency" VALUES('acc_aE26puF67','851fefaef2287770b1989dd0a6141192a2e865c5564942c4a9ce238ccd0d43b7','key_H9zeOuyhb',1.79538258842077541347e+09);
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
INSERT INTO "keys" VALUES(1,'key_6LVn5yVcj','acc_aE26puF67','Key 144272509','lwa','live','lwa.sk_live_','Q4oP',X'964809E29FF0927BEACB51DFBB2F2A7ECC5A725170C625253DEB0863593A728D',1,'["a:read", "a:write"]',1.79538258835215115542e+09,0,NULL,'[]','{}',1.79538258817910051346e+09,'key_k212hHOvn');
INSERT INTO "keys" VALUES(2,'key_X2xqCGV8z','acc_aE26puF67','Key 611178002','lwa','live','lwa.sk_live_','haEK',X'31533091C2EC9C43F1111DEAF063B514322FA784AB81F093847F838F92BC087B',1,'["a:read", "a:write"]',1.79546898837599158281e+09,0,NULL,'[]','{}',1.79538258820745849609e+09,'key_9fZgzG7QW');
INSERT INTO "keys" VALUES(3,'key_ABf850GQS','acc_aE26puF67','Key 909925047','lwa','live','lwa.sk_live_','dSAT',X'9CB5744B73D34D35239631C3C14727C835771E0B511FB90CCA82BF78AA1C1B81',1,'["a:read", "a:write"]',1.79546898836396980284e+09,0,NULL,'[]','{}',1.79538258823247051242e+09,NULL);
INSERT INTO "keys" VALUES(4,'key_xi9N9whEb','acc_aE26puF67','Key 959191865','lwa','live','lwa.sk_live_','2XVq',X'0B68BA90D8F4C0AF530731C2F2C8A68DEA5ED0F40E5CD59F8F95B64A72C2F40E',1,'["a:read"]',NULL,1,NULL,'["192.0.2.0/24"]','{"n":"Key 994828918"}',1.79538258824168729787e+09,NULL);
INSERT INTO "keys" VALUES(6,'key_ANEW9PBZa','acc_aE26puF67','Key 747144854','lwa','live','lwa.sk_live_','3Xao',X'86A9296EC6A178D7B219D3B25871EF4AD95F625FFFCA5AF36979D7C2CEA8AE80',1,'["*"]',NULL,0,NULL,'[]','{}',1.79538258824168729787e+09,NULL);
INSERT INTO "keys" VALUES(7,'key_hF77VpmJf','acc_aE26puF67','Key 818492001','lwa','live','lwa.sk_live_','JTbL',X'EDBD8C6D7EAF2DB9964F5A764F3F05C47E99E8EAE5511B107ADC43174E41723A',1,'["a:read", "a:write"]',NULL,0,NULL,'[]','{}',1.79538258834794187549e+09,NULL);
INSERT INTO "keys" VALUES(8,'key_k212hHOvn','acc_aE26puF67','Key 144272509','lwa','live','lwa.sk_live_','SNzS',X'D4445B2E896D4CDCDB82EA87013A11B4DEF33DB93E19A1D20EC9FFC6C5D43C8F',1,'["a:read", "a:write"]',NULL,0,NULL,'["192.0.2.0/24"]','{"n":"Key 285970256"}',1.79538258835215115542e+09,NULL);
INSERT INTO "keys" VALUES(9,'key_9fZgzG7QW','acc_aE26puF67','Key 611178002','lwa','live','lwa.sk_live_','w0zm',X'C656CCD5986844159276DF76542DAD1D45B18CA3342111C0D8C07F5D7EF1B3F2',1,'["a:read", "a:write"]',1.79546898846514463429e+09,0,NULL,'[]','{}',1.79538258837599158288e+09,'key_LP6NooibH');
INSERT INTO "keys" VALUES(10,'key_H9zeOuyhb','acc_aE26puF67','Key 27322286','lwa','live','lwa.sk_live_','HDyJ',X'18A35440C6A5F22BEB23CEBA7C4D27743DE2536FA645B39F2BF9CB912BE309EA',1,'["a:read", "a:write"]',NULL,0,NULL,'[]','{}',1.79538258842077541347e+09,NULL);
INSERT INTO "keys" VALUES(12,'key_LP6NooibH','acc_aE26puF67','Key 611178002','lwa','live','lwa.sk_live_','uUIO',X'0B4A8FC10DB9868020F61232D2319BE6BAB66EDC94391B85AD0BC6CB89E96305',1,'["a:read", "a:write"]',NULL,0,NULL,'[]','{}',1.79538258846514463427e+09,NULL);
INSERT INTO "keys" VALUES(14,'key_OE4EsMv5y','acc_aE26puF67','Key 446869806','lwa','live','lwa.sk_live_','BwgS',X'1487DCBE6EE0005005CE1B6C92EB9CF09D944B833AB9F7191D6FFC5161172EAB',1,'["*"]',NULL,0,NULL,'[]','{}',1.7953825885130317211e+09,NULL);
INSERT INTO "keys" VALUES(15,'key_wp0AoXPR3','acc_aE26puF67','Key 899342503','lwa','live','lwa.sk_live_','RTX3',X'37E1CC2C2CD44B8A34F3D4EF9BA586F6C0CA9513DF184950D620F7E8EE81A5C3',1,'["*"]',NULL,0,NULL,'[]','{}',1.7953825885130317211e+09,NULL);
INSERT INTO "keys" VALUES(16,'key_9nHCGiAVs','acc_aE26puF67','Key 983837244','lwa','live','lwa.sk_live_','nsp8',X'8D42D344D321E26A5C680199DB95CC5B1B254881B98DEA99AB8B7F6034827291',1,'["*"]',NULL,0,NULL,'[]','{}',1.7953825885130317211e+09,NULL);
CREATE TABLE meta (
	name VARCHAR(64) NOT NULL, 
	value TEXT NOT NULL, 
	PRIMARY KEY (name)
);
INSERT INTO "meta" VALUES('secret 1','d67d6c4bca6dcb97b1bfc3318195aee2');
INSERT INTO "meta" VALUES('tag key 1','a2a078d817c5c20962b05cb01012d6b1b93b0b5ff0fd32a1edcf1324ebb24129');
INSERT INTO "meta" VALUES('format lwa','live: lwa.sk_live_, test: lwa.sk_test_; 32 characters, checksum');
INSERT INTO "meta" VALUES('format ss','live: ss_; 32 characters, checksum');
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
INSERT INTO "tombstones" VALUES(X'ED353B65F65AF6A15F8E5A8455E94D221C899062C11D0CB78E07B6BAA773950F','key_yXDFPCeB2',5,'acc_aE26puF67','Key 897395948',1.79538258828397583963e+09);
INSERT INTO "tombstones" VALUES(X'FB0FAD38B77317EF3D0D363B3B53937BF7BEB15F67F33EB0594FAE9141FA07B3','key_UdvQLJvlf',11,'acc_aE26puF67','Key 737106430',1.79538258846266293527e+09);
INSERT INTO "tombstones" VALUES(X'82F89193BAD1B1A980170B63167CE6D3B8D1D21AE032D40157DD52115701A4B4','key_vMsDzTegC',13,'acc_aE26puF67','Key 311150634',1.79538258847939300542e+09);
CREATE INDEX keys_of_account ON keys (account_id, slot);
CREATE INDEX audit_log_of_account ON audit_log (account_id, number);
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('accounts',4);
INSERT INTO "sqlite_sequence" VALUES('audit_log',26);
INSERT INTO "sqlite_sequence" VALUES('keys',16);
COMMIT;
