//! What is dangerous in PostgreSQL.

super::rules! {
    CREATE_INDEX Warning "PG001-create-index-not-concurrently":
        "creating an index on `{table}` blocks every write to it until the index is built";
        "`CREATE {unique}INDEX CONCURRENTLY {name}ON {on}`, outside of a transaction; if it fails, drop the invalid index that it leaves, and do it again";
    DROP_INDEX Warning "PG002-drop-index-not-concurrently":
        "dropping the index `{name}` waits for every query on its table, and every later query waits behind it";
        "`DROP INDEX CONCURRENTLY {name}`, outside of a transaction";
    REINDEX Warning "PG002-reindex-not-concurrently":
        "rebuilding `{name}` blocks every write to its table, and reads that use the index, until it is built";
        "`REINDEX … CONCURRENTLY {name}`, outside of a transaction";
    CONCURRENTLY_IN_TRANSACTION Error "PG003-concurrently-in-transaction":
        "{name} fails inside of a transaction";
        "end the transaction before it: `COMMIT;`, or put it into a migration of its own";
    INDEX_GAP Warning "PG004-index-dropped-before-replaced":
        "between the `DROP INDEX {name}` above and the end of this statement, queries on `{table}` have no index";
        "`ALTER INDEX {name} RENAME TO {name}_old`, build the new one concurrently, then `DROP INDEX CONCURRENTLY {name}_old`";
    ADD_UNIQUE Warning "PG005-unique-constraint-builds-index":
        "adding a unique constraint to `{table}` blocks all reads and writes until its index is built";
        "`CREATE UNIQUE INDEX CONCURRENTLY {name} ON {table} ({columns})`, then `ALTER TABLE {table} ADD CONSTRAINT {name} UNIQUE USING INDEX {name}`";
    ADD_PRIMARY Warning "PG006-primary-key-builds-index":
        "adding a primary key to `{table}` blocks all reads and writes until its index is built and its columns are checked for NULL";
        "`CREATE UNIQUE INDEX CONCURRENTLY {name} ON {table} ({columns})`, make the columns NOT NULL through a validated CHECK, then `ALTER TABLE {table} ADD CONSTRAINT {name} PRIMARY KEY USING INDEX {name}`";
    ADD_FOREIGN Warning "PG007-foreign-key-checked-at-once":
        "adding a foreign key blocks writes to `{table}` and to `{other}` until every row is checked";
        "`ALTER TABLE {table} ADD CONSTRAINT {name} FOREIGN KEY ({columns}) REFERENCES {other} … NOT VALID`, then, in another transaction, `ALTER TABLE {table} VALIDATE CONSTRAINT {name}`";
    ADD_CHECK Warning "PG008-check-checked-at-once":
        "adding a CHECK to `{table}` blocks all reads and writes until every row is checked";
        "`ALTER TABLE {table} ADD CONSTRAINT {name} CHECK (…) NOT VALID`, then, in another transaction, `ALTER TABLE {table} VALIDATE CONSTRAINT {name}`";
    VALIDATE_TOO_SOON Warning "PG008-validated-in-same-transaction":
        "`{name}` is added and validated in one transaction, so the lock of adding it is held while every row of `{table}` is checked";
        "`COMMIT;` before `ALTER TABLE {table} VALIDATE CONSTRAINT {name}`";
    SET_NOT_NULL Warning "PG009-set-not-null-scans":
        "SET NOT NULL on `{column}` blocks all reads and writes of `{table}` until every row is checked, and fails if one is NULL";
        "`ALTER TABLE {table} ADD CONSTRAINT {bare}_{plain}_not_null CHECK ({column} IS NOT NULL) NOT VALID`, fill in the rows, `VALIDATE CONSTRAINT` in another transaction, then SET NOT NULL (which trusts it), then drop the constraint";
    REQUIRED_COLUMN Error "PG010-required-column-without-default":
        "adding `{column}` as NOT NULL without a default fails if `{table}` has a row, and programs that do not know it can no longer insert";
        "add it with a constant default, or nullable: `ALTER TABLE {table} ADD COLUMN {column} {type}`; fill it in, then make it NOT NULL through a validated CHECK";
    VOLATILE_DEFAULT Warning "PG011-volatile-default":
        "the default of `{column}` differs from row to row, so all of `{table}` is written anew while nobody can read it";
        "`ALTER TABLE {table} ADD COLUMN {column} {type}`, then `ALTER TABLE {table} ALTER COLUMN {column} SET DEFAULT {value}`, then fill in older rows in batches";
    STORED_GENERATED Warning "PG012-stored-generated-column":
        "adding the stored generated column `{column}` writes all of `{table}` anew while nobody can read it";
        "add an ordinary column, keep it with a trigger, and fill in older rows in batches; from PostgreSQL 18 on, VIRTUAL costs nothing";
    SERIAL_ADDED Warning "PG013-serial-or-identity-column-added":
        "adding `{column}` numbers every row, so all of `{table}` is written anew while nobody can read it";
        "`CREATE SEQUENCE {bare}_{plain}_seq`, `ALTER TABLE {table} ADD COLUMN {column} bigint`, `ALTER COLUMN {column} SET DEFAULT nextval('{bare}_{plain}_seq')`, then number older rows in batches";
    TYPE_CHANGE Warning "PG014-column-type-change":
        "changing the type of `{column}` to {type} writes all of `{table}` and its indexes anew while nobody can read it, unless the old type is stored the same way";
        "add a column of the new type, keep both equal with a trigger, fill it in by batches, and swap the names in one short transaction";
    KEY_TYPE_CHANGE Warning "PG015-integer-key-to-bigint":
        "changing `{column}` to bigint writes all of `{table}` and its indexes anew while nobody can read it, and every foreign key that points to it must follow";
        "add `{column}_new bigint` here and beside each foreign key, keep them equal with triggers, fill them in by batches, build the unique index concurrently, and swap in one short transaction";
    INTEGER_KEY Note "PG015-integer-primary-key":
        "`{column}` of `{table}` runs out after 2147483647 rows, and a wider key is hard to get later";
        "`{column} bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY`";
    JSON_COLUMN Warning "PG016-json-column":
        "`{column}` is `json`, which cannot be compared: DISTINCT, UNION and GROUP BY over it fail";
        "`{column} jsonb`";
    RENAME_SCHEMA Warning "PG020-rename-schema":
        "programs that still name the schema `{name}` fail as soon as it is called otherwise";
        "create the new schema, offer views in it, move all programs over, then move the tables";
    RENAME_ENUM_VALUE Warning "PG020-rename-enum-value":
        "programs that still write or compare the old value of `{name}` fail as soon as it is renamed";
        "`ALTER TYPE {name} ADD VALUE …`, change the rows in batches, move all programs over, and leave the old value";
    RENAME_TYPE Warning "PG020-rename-type":
        "programs that still name the type `{name}` fail as soon as it is called otherwise";
        "leave the type's name, or create a domain or type of the new name beside it and move the columns over";
    ENUM_IN_TRANSACTION Error "PG021-enum-value-used-in-same-transaction":
        "{value} is added to `{name}` and used in the same transaction, which fails";
        "`COMMIT;` after `ALTER TYPE {name} ADD VALUE {value}`";
    ENUM_WITH_OTHERS Warning "PG021-enum-value-in-transaction":
        "adding a value to `{name}` inside of a transaction fails before PostgreSQL 12, and later the value cannot be used before the end of it";
        "`ALTER TYPE {name} ADD VALUE {value}` outside of a transaction";
    ENUM_ORDER Note "PG021-enum-value-without-position":
        "{value} becomes the last value of `{name}`, and sorts after all others; it cannot be moved later";
        "`ALTER TYPE {name} ADD VALUE {value} BEFORE …` or `AFTER …`";
    DOMAIN_CONSTRAINT Warning "PG022-domain-with-constraint":
        "a constraint of the domain `{name}` can only be changed by checking every column of that type at once, and never `NOT VALID` for one table";
        "declare the domain without it, and add a CHECK to each column";
    ALTER_DOMAIN Warning "PG022-alter-domain-constraint":
        "adding a constraint to the domain `{name}` checks every row of every table with a column of that type, and blocks writes to them meanwhile";
        "add a CHECK to each column, NOT VALID, and validate it in another transaction; or `ALTER DOMAIN {name} ADD CONSTRAINT … NOT VALID`, then `VALIDATE CONSTRAINT`";
    TRUNCATE_CASCADE Error "PG023-truncate-cascade":
        "TRUNCATE … CASCADE of `{name}` also empties every table that refers to it, whichever these are by then";
        "name every table that is to be emptied, or delete in batches";
    EXCLUDE Warning "PG024-exclude-constraint":
        "adding an EXCLUDE constraint blocks all reads and writes of `{table}` until its index is built, and it cannot be added NOT VALID";
        "create a new table with the constraint, copy with a trigger and batches, and swap the names in one short transaction";
    DETACH Warning "PG025-detach-partition-not-concurrently":
        "detaching `{name}` waits for every query on `{table}`, and every later query waits behind it";
        "`ALTER TABLE {table} DETACH PARTITION {name} CONCURRENTLY`, outside of a transaction";
    ATTACH Warning "PG025-attach-partition-without-check":
        "attaching `{name}` reads all of it while it is locked, to prove that its rows belong there";
        "first `ALTER TABLE {name} ADD CONSTRAINT {bare}_bounds CHECK (…the bounds…) NOT VALID` and validate it; then ATTACH trusts it";
    VACUUM_FULL Warning "PG026-vacuum-full":
        "VACUUM FULL of {name} writes it anew while nobody can read it";
        "plain `VACUUM`, or `pg_repack`";
    CLUSTER Warning "PG026-cluster":
        "CLUSTER of {name} writes it anew while nobody can read it";
        "`pg_repack --order-by`";
    NO_LOCK_TIMEOUT Warning "PG028-no-lock-timeout":
        "nothing bounds how long this waits for its lock on `{table}`, and while it waits every later query there waits behind it";
        "`SET lock_timeout = '200ms';` before it, and try again after a pause if it fails; leave statement_timeout long enough for the work itself";
    LONG_LOCK_TIMEOUT Note "PG028-long-lock-timeout":
        "waiting {value} for a lock means that queries can stand still for that long";
        "`SET lock_timeout = '200ms'`, below deadlock_timeout (1s), with more attempts";
    SEVERAL_LOCKS Warning "PG029-several-strong-locks":
        "this locks `{table}` while the transaction still holds a strong lock on `{other}`: both stand still until it ends, and it can deadlock with programs that take them the other way round";
        "one strong lock a transaction: `COMMIT; BEGIN;` before this statement";
    MIXED Warning "PG029-mixes-ddl-and-dml":
        "rows are written in a transaction that has changed `{table}`'s definition, so its strong lock is held until all rows are written";
        "`COMMIT;` between changing the definition and writing rows";
    LEFT_OPEN Warning "PG030-transaction-left-open":
        "this transaction is never ended: its locks are held, and whoever waits for them hangs";
        "`COMMIT;` at the end";
    TRIGGER Warning "PG031-trigger-apart-from-column-change":
        "{what} a trigger on `{table}` blocks writes to it, and rows that are written between this and the change of its columns are missed";
        "do it in one short transaction with the change of the columns that it is for, under a `lock_timeout`";
    DROP_NOT_NULL Warning "PG032-drop-not-null":
        "programs that read `{column}` of `{table}` and were promised a value may fail on NULL";
        "release programs that accept NULL first, or show older programs a view with `coalesce({column}, …)`";
    CASCADE Warning "PG033-drop-cascade":
        "CASCADE also drops every view, function and constraint that depends on {name}, whichever these are by then";
        "leave CASCADE out; drop what depends on it by name, and create it anew in the same transaction";
    SWAP Warning "PG034-swap-loses-grants":
        "`{other}` takes the place of `{table}` without its grants, policies, comments, replica identity and place in publications";
        "`CREATE TABLE … (LIKE {table} INCLUDING ALL)`, then GRANT, policies, REPLICA IDENTITY and publications, and compare before the swap";
    LONG_NAME Error "PG035-identifier-too-long":
        "PostgreSQL cuts the name `{name}` to 63 bytes, where it can be the same as another one";
        "choose a name of at most 63 bytes; this one has {value}";
    NOT_IDEMPOTENT Note "PG036-not-idempotent":
        "if this file fails halfway and is run again, this statement fails: {name} is there already, or gone";
        "`{value}`, or put all of it into one transaction";
    CHAR_TYPE Warning "PG036-char-type":
        "`{column}` is padded with blanks, which are lost or compared in surprising ways";
        "`{column} text`, with a CHECK of its length";
    VARCHAR_LIMIT Note "PG036-varchar-limit":
        "the limit of `{column}` can be widened cheaply, but never narrowed without reading the whole table";
        "`{column} text CHECK (length({column}) <= {value})`: a CHECK can be replaced NOT VALID";
    TIMESTAMP Warning "PG036-timestamp-without-time-zone":
        "`{column}` says a time without saying where, so two programs with different time zones read different moments";
        "`{column} timestamptz`";
    SERIAL Note "PG036-serial-type":
        "`{column}` is a {type}: its sequence has rights and dependencies of its own, which copies and grants of the table miss";
        "`{column} bigint GENERATED ALWAYS AS IDENTITY`";
}
