BEGIN TRANSACTION;
CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO "alembic_version" VALUES('0001');
CREATE TABLE hourly (
	account_id VARCHAR(32) NOT NULL, 
	hour BIGINT NOT NULL, 
	slot BIGINT NOT NULL, 
	outcome VARCHAR(16) NOT NULL, 
	count BIGINT NOT NULL, 
	PRIMARY KEY (account_id, hour, slot, outcome)
)
 WITHOUT ROWID

;
INSERT INTO "hourly" VALUES('acc_RRHEw30c9',1795406400,1,'accepted',4);
CREATE TABLE last_uses (
	slot INTEGER NOT NULL, 
	at DOUBLE NOT NULL, 
	address VARCHAR(64) NOT NULL, 
	user_agent VARCHAR(255) NOT NULL, 
	PRIMARY KEY (slot)
);
INSERT INTO "last_uses" VALUES(1,1.79540830859168291087e+09,'','');
COMMIT;
