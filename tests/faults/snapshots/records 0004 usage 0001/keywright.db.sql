BEGIN TRANSACTION;
CREATE TABLE accounts (
	number INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	id VARCHAR(32) NOT NULL, 
	name VARCHAR(255) NOT NULL, 
	operator BOOLEAN NOT NULL, 
	created_at DOUBLE NOT NULL, limits TEXT, disabled BOOLEAN DEFAULT 0 NOT NULL, 
	UNIQUE (id)
);
INSERT INTO "accounts" VALUES(1,'acc_lE0UdCbJD','Operator',1,1.79539974397766637797e+09,NULL,0);
INSERT INTO "accounts" VALUES(2,'acc_IdBKdt21I','Company',0,1.7953997439793946743e+09,NULL,0);
INSERT INTO "accounts" VALUES(3,'acc_VSdynLEZt','Company',0,1.79539974400110268586e+09,NULL,0);
CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO "alembic_version" VALUES('0004');
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
INSERT INTO "audit_log" VALUES(1,1.79539974397813034061e+09,'acc_lE0UdCbJD','system','','','','account.create','acc_lE0UdCbJD','{"name": "Operator"}');
INSERT INTO "audit_log" VALUES(2,1.79539974397951269157e+09,'acc_IdBKdt21I','library','workload','','','account.create','acc_IdBKdt21I','{"name": "Company"}');
INSERT INTO "audit_log" VALUES(3,1.79539974398337268826e+09,'acc_IdBKdt21I','library','workload','','','key.create','key_hQ0YZExCW','{"name": "Key 144272509", "prefix": "lwa.sk_live_", "hint": "A6fO", "environment": "live", "scopes": ["a:read", "a:write"], "expires_at": null}');
INSERT INTO "audit_log" VALUES(4,1.79539974398562526703e+09,'acc_IdBKdt21I','library','workload','','','key.create','key_I8CODipZh','{"name": "Key 611178002", "prefix": "lwa.sk_live_", "hint": "r5Ep", "environment": "live", "scopes": ["a:read", "a:write"], "expires_at": null}');
INSERT INTO "audit_log" VALUES(5,1.79539974398764276509e+09,'acc_IdBKdt21I','library','workload','','','key.create','key_Hn3A5edRI','{"name": "Key 909925047", "prefix": "lwa.sk_live_", "hint": "2mRL", "environment": "live", "scopes": ["a:read", "a:write"], "expires_at": null}');
INSERT INTO "audit_log" VALUES(6,1.79539974399167823792e+09,'acc_IdBKdt21I','library','workload','','','key.rotate','key_Hn3A5edRI','{"successor": "key_Z3LmhAnjD", "ends_at": "2026-11-24T02:09:03Z"}');
INSERT INTO "audit_log" VALUES(7,1.79539974399590587621e+09,'acc_IdBKdt21I','library','workload','','','key.update','key_I8CODipZh','{"changed": ["metadata", "networks"]}');
INSERT INTO "audit_log" VALUES(8,1.79539974400121378895e+09,'acc_VSdynLEZt','library','workload','','','account.create','acc_VSdynLEZt','{"name": "Company"}');
INSERT INTO "audit_log" VALUES(9,1.7953997440030550957e+09,'acc_IdBKdt21I','library','workload','','','key.update','key_I8CODipZh','{"changed": ["expires_in_seconds"]}');
INSERT INTO "audit_log" VALUES(10,1.7953997440051617622e+09,'acc_IdBKdt21I','library','workload','','','key.create','key_NWhDmMxIp','{"name": "Key 32845751", "prefix": "lwa.sk_live_", "hint": "gudI", "environment": "live", "scopes": ["a:read", "a:write"], "expires_at": null}');
INSERT INTO "audit_log" VALUES(11,1.79539974400667691227e+09,'acc_IdBKdt21I','library','workload','','','key.update','key_hQ0YZExCW','{"changed": ["disabled"]}');
INSERT INTO "audit_log" VALUES(12,1.79539974400850915912e+09,'acc_IdBKdt21I','library','workload','','','key.create','key_Z31TnlPNn','{"name": "Key 27322286", "prefix": "lwa.sk_live_", "hint": "pAQB", "environment": "live", "scopes": ["keys:write"], "expires_at": null}');
INSERT INTO "audit_log" VALUES(13,1.79539974401102566713e+09,'acc_IdBKdt21I','key','key_Z31TnlPNn','','','key.delete','key_Z31TnlPNn','{"name": "Key 27322286", "prefix": "lwa.sk_live_", "hint": "pAQB", "environment": "live", "scopes": ["keys:write"], "expires_at": null}');
INSERT INTO "audit_log" VALUES(14,1.79539974401257181168e+09,'acc_IdBKdt21I','library','workload','','','key.update','key_NWhDmMxIp','{"changed": ["name"]}');
INSERT INTO "audit_log" VALUES(15,1.79539974401437735554e+09,'acc_IdBKdt21I','library','workload','','','key.update','key_hQ0YZExCW','{"changed": ["rate_limit"]}');
INSERT INTO "audit_log" VALUES(16,1.79539974401657772065e+09,'acc_IdBKdt21I','library','workload','','','key.rotate','key_Z3LmhAnjD','{"successor": "key_BsAnl6SPV", "ends_at": "2026-11-23T02:09:04Z"}');
INSERT INTO "audit_log" VALUES(17,1.79539974401874399181e+09,'acc_IdBKdt21I','library','workload','','','key.delete','key_BsAnl6SPV','{"name": "Key 909925047", "prefix": "lwa.sk_live_", "hint": "9NWM", "environment": "live", "scopes": ["a:read", "a:write"], "expires_at": null}');
INSERT INTO "audit_log" VALUES(18,1.79539974402028656009e+09,'acc_IdBKdt21I','library','workload','','','key.update','key_hQ0YZExCW','{"changed": ["disabled"]}');
INSERT INTO "audit_log" VALUES(19,1.79539974402399086952e+09,'acc_IdBKdt21I','library','workload','','','key.create','key_7QWmJ2C3O','{"name": "Key 779378296", "prefix": "lwa.sk_live_", "hint": "RoGf", "environment": "live", "scopes": ["a:read", "a:write"], "expires_at": null}');
INSERT INTO "audit_log" VALUES(20,1.79539974402685403821e+09,'acc_IdBKdt21I','library','workload','','','key.update','key_hQ0YZExCW','{"changed": ["scopes"]}');
INSERT INTO "audit_log" VALUES(21,1.79539974403084850312e+09,'acc_IdBKdt21I','library','workload','','','key.create_many','acc_IdBKdt21I','{"count": 3, "first": "key_GqsrkPW3Z", "last": "key_WUrxSh1cB"}');
INSERT INTO "audit_log" VALUES(22,1.79539974403254437443e+09,'acc_IdBKdt21I','library','workload','','','key.create_many','acc_IdBKdt21I','{"count": 3, "first": "key_OpExh4MBd", "last": "key_NRlXUSt29"}');
INSERT INTO "audit_log" VALUES(23,1795399744.0342,'acc_IdBKdt21I','library','workload','','','key.create','key_NcBK1DqSW','{"name": "Key 774687978", "prefix": "lwa.sk_live_", "hint": "BhRC", "environment": "live", "scopes": ["a:read", "a:write"], "expires_at": null}');
INSERT INTO "audit_log" VALUES(24,1.79539974403593230248e+09,'acc_IdBKdt21I','library','workload','','','key.rotate','key_NcBK1DqSW','{"successor": "key_ROmI5fySR", "ends_at": "2026-11-23T02:09:04Z"}');
INSERT INTO "audit_log" VALUES(25,1.79539974403806948657e+09,'acc_IdBKdt21I','library','workload','','','key.update','key_OpExh4MBd','{"changed": ["rate_limit"]}');
CREATE TABLE changes (
	version INTEGER NOT NULL, 
	key_id VARCHAR(32) NOT NULL, account_id VARCHAR(32), 
	PRIMARY KEY (version)
);
INSERT INTO "changes" VALUES(1,'key_Hn3A5edRI',NULL);
INSERT INTO "changes" VALUES(2,'key_I8CODipZh',NULL);
INSERT INTO "changes" VALUES(3,'key_I8CODipZh',NULL);
INSERT INTO "changes" VALUES(4,'key_hQ0YZExCW',NULL);
INSERT INTO "changes" VALUES(5,'key_Z31TnlPNn',NULL);
INSERT INTO "changes" VALUES(6,'key_NWhDmMxIp',NULL);
INSERT INTO "changes" VALUES(7,'key_hQ0YZExCW',NULL);
INSERT INTO "changes" VALUES(8,'key_Z3LmhAnjD',NULL);
INSERT INTO "changes" VALUES(9,'key_BsAnl6SPV',NULL);
INSERT INTO "changes" VALUES(10,'key_hQ0YZExCW',NULL);
INSERT INTO "changes" VALUES(11,'key_hQ0YZExCW',NULL);
INSERT INTO "changes" VALUES(12,'key_NcBK1DqSW',NULL);
INSERT INTO "changes" VALUES(13,'key_OpExh4MBd',NULL);
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
INSERT INTO "idempotency" VALUES('acc_IdBKdt21I','013e3f2f049be5d5455d20201fc56365e288c27926beea55ec1b7a1e36d1ecd7','key_7QWmJ2C3O',1.79539974402145910263e+09);
INSERT INTO "idempotency" VALUES('acc_IdBKdt21I','d125cf71f9d66c494d680573c3447bcc71ed0a03146bba9916e2411ea16eb7a2','key_NcBK1DqSW',1.79539974403311944003e+09);
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
INSERT INTO "keys" VALUES(1,'key_hQ0YZExCW','acc_IdBKdt21I','Key 144272509','lwa','live','lwa.sk_live_','A6fO',X'C833EA6BA305FA7C21B5C5D6635156450AC1B2D6E63FC470465D854657CAE88A',1,'["a:read"]',NULL,1,'["10/s burst 50", "500/15m sliding", "1000/h"]','[]','{}',1.79539974398008036612e+09,NULL);
INSERT INTO "keys" VALUES(2,'key_I8CODipZh','acc_IdBKdt21I','Key 611178002','lwa','live','lwa.sk_live_','r5Ep',X'5668DA7E9654D85E5DB7956B740B829AED2E9E562F18C39B0424391FB5749F62',1,'["a:read", "a:write"]',1.79548614400177526479e+09,0,NULL,'["192.0.2.0/24"]','{"n":"Key 478230859"}',1.79539974398422527311e+09,NULL);
INSERT INTO "keys" VALUES(3,'key_Hn3A5edRI','acc_IdBKdt21I','Key 909925047','lwa','live','lwa.sk_live_','2mRL',X'FDE93D8EBE8D8AB144A2FF5D7C8D05E4618DF9BB0A1A1392D5604F867724A42E',1,'["a:read", "a:write"]',1.79548614398853611942e+09,0,NULL,'[]','{}',1.79539974398639822004e+09,'key_Z3LmhAnjD');
INSERT INTO "keys" VALUES(4,'key_Z3LmhAnjD','acc_IdBKdt21I','Key 909925047','lwa','live','lwa.sk_live_','EfOU',X'4767667EACC34EE105AB29DFBD026DBEEA0A4705BF41DC6840830C773A5B0347',1,'["a:read", "a:write"]',1.79539974401528549196e+09,0,NULL,'[]','{}',1.79539974398853611949e+09,'key_BsAnl6SPV');
INSERT INTO "keys" VALUES(5,'key_NWhDmMxIp','acc_IdBKdt21I','Key 697444855','lwa','live','lwa.sk_live_','gudI',X'4FF042E5F36C19D3543A36A0EB08A64F8A34EB3A2FC2865E14F68C5D0E9FDAD7',1,'["a:read", "a:write"]',NULL,0,NULL,'[]','{}',1.79539974400420856469e+09,NULL);
INSERT INTO "keys" VALUES(8,'key_7QWmJ2C3O','acc_IdBKdt21I','Key 779378296','lwa','live','lwa.sk_live_','RoGf',X'DEC67DBBE529395702E7EB7106162E534BF5634CD7D16F0D2196E08269C8261A',1,'["a:read", "a:write"]',NULL,0,NULL,'[]','{}',1.79539974402145910263e+09,NULL);
INSERT INTO "keys" VALUES(9,'key_GqsrkPW3Z','acc_IdBKdt21I','Key 566537775','lwa','live','lwa.sk_live_','12Zl',X'54000BB6FE51F3DF297E8ECF8A35B9E09415108138A38DB469C0BEF1C7B2EE36',1,'["*"]',NULL,0,NULL,'[]','{}',1.79539974402862381936e+09,NULL);
INSERT INTO "keys" VALUES(10,'key_FjPfnhS3s','acc_IdBKdt21I','Key 238039615','lwa','live','lwa.sk_live_','Hsjy',X'B55BFB9B16D7571FC9494BFE0DE61C783CDC491070C05C5AD94C51F95E147EA1',1,'["*"]',NULL,0,NULL,'[]','{}',1.79539974402862381936e+09,NULL);
INSERT INTO "keys" VALUES(11,'key_WUrxSh1cB','acc_IdBKdt21I','Key 820017699','lwa','live','lwa.sk_live_','srwm',X'53F4907F81B8F0EEAD0D853F9F7868BA28B1BD5EE9774635CC2F1BAE286B6104',1,'["*"]',NULL,0,NULL,'[]','{}',1.79539974402862381936e+09,NULL);
INSERT INTO "keys" VALUES(12,'key_OpExh4MBd','acc_IdBKdt21I','Key 129804604','lwa','live','lwa.sk_live_','NAEE',X'073834441A560F97C6796E37D2CCBA3837CFC5BF600E335B531E4D8AB4A1C5EB',1,'["*"]',NULL,0,'["10/s burst 50", "500/15m sliding", "1000/h"]','[]','{}',1.79539974403151249889e+09,NULL);
INSERT INTO "keys" VALUES(13,'key_x4v7WZAW9','acc_IdBKdt21I','Key 797947650','lwa','live','lwa.sk_live_','eO1O',X'25B426ED1D521484613801FD34732366BA8657F7C7D1FB51730ADD945C715131',1,'["*"]',NULL,0,NULL,'[]','{}',1.79539974403151249889e+09,NULL);
INSERT INTO "keys" VALUES(14,'key_NRlXUSt29','acc_IdBKdt21I','Key 357228733','lwa','live','lwa.sk_live_','USLD',X'69FCAE01AB80F5C948489C138E2E38A27665065BD61C895016E99D60A1663562',1,'["*"]',NULL,0,NULL,'[]','{}',1.79539974403151249889e+09,NULL);
INSERT INTO "keys" VALUES(15,'key_NcBK1DqSW','acc_IdBKdt21I','Key 774687978','lwa','live','lwa.sk_live_','BhRC',X'B4D1632272670D71D23982B161441DB8EE8FCF6C5DA7998060A1AE82F6B1569A',1,'["a:read", "a:write"]',1.7953997440347485542e+09,0,NULL,'[]','{}',1.79539974403311944003e+09,'key_ROmI5fySR');
INSERT INTO "keys" VALUES(16,'key_ROmI5fySR','acc_IdBKdt21I','Key 774687978','lwa','live','lwa.sk_live_','XKR0',X'DCCDA8104B316785DD0522DA53D0CE371BD4FEB883D22F4096EC52BDA45E7F85',1,'["a:read", "a:write"]',NULL,0,NULL,'[]','{}',1.7953997440347485542e+09,NULL);
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
INSERT INTO "tombstones" VALUES(X'782F6B488AB922E5D7A21FA3CD72A7E6D995208B255667E143AAEECFDE3FA598','key_Z31TnlPNn',6,'acc_IdBKdt21I','Key 27322286',1.7953997440090413094e+09);
INSERT INTO "tombstones" VALUES(X'9E828344317FBAC9BC521AC45689C239AFC651385E1C6C1BAEC39D759ED47442','key_BsAnl6SPV',7,'acc_IdBKdt21I','Key 909925047',1.79539974401808595655e+09);
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
