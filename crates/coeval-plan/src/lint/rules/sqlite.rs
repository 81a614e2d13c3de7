//! What is dangerous in SQLite.

super::rules! {
    NOT_IN_ALTER Error "LT046-alter-not-supported":
        "SQLite's ALTER TABLE cannot {what}";
        "rebuild `{table}`: `PRAGMA foreign_keys=OFF; BEGIN IMMEDIATE;`, create `{table}_new`, `INSERT INTO {table}_new SELECT …`, `DROP TABLE {table}`, `ALTER TABLE {table}_new RENAME TO {table}`, its indexes, triggers and views, `PRAGMA foreign_key_check; COMMIT; PRAGMA foreign_keys=ON`";
    REBUILD_KEYS_ON Error "LT046-rebuild-with-foreign-keys-on":
        "with foreign keys on, dropping `{table}` during its rebuild deletes or rejects the rows that refer to it";
        "`PRAGMA foreign_keys=OFF;` before the transaction, and `PRAGMA foreign_keys=ON;` after it";
    REBUILD_UNCHECKED Warning "LT046-rebuild-without-foreign-key-check":
        "after this rebuild of `{table}` nothing proves that the rows that refer to it still do";
        "`PRAGMA foreign_key_check;` before COMMIT";
    REBUILD_OUTSIDE Error "LT046-rebuild-outside-transaction":
        "if this fails halfway, there is no `{table}`";
        "`BEGIN IMMEDIATE;` before the rebuild, and `COMMIT;` after it";
    OLD_RENAMED Error "LT047-old-table-renamed-first":
        "renaming `{table}` away also rewrites the foreign keys, triggers and views that name it: they then point to `{other}`";
        "create the new table under another name, copy, drop `{table}`, and rename the new one to `{table}`";
    DROP_COLUMN_IN_USE Error "LT048-drop-column-in-use":
        "SQLite refuses to drop `{column}` of `{table}`: {what}";
        "drop the index first; a column of a key or constraint goes only by rebuilding the table";
    DROP_COLUMN_REWRITES Note "LT048-drop-column-rewrites":
        "dropping `{column}` writes all of `{table}` anew, and is refused if an index, key, view or trigger uses it";
        "look for it before: `SELECT name, sql FROM sqlite_schema WHERE sql LIKE '%{column}%'`";
    SQLITE_REQUIRED Error "LT049-required-column-without-default":
        "SQLite refuses to add `{column}` as NOT NULL without a default other than NULL";
        "give it a constant default; or add it nullable, fill it in, and make it NOT NULL by rebuilding `{table}`";
    SQLITE_DEFAULT Error "LT049-default-not-constant":
        "SQLite refuses to add `{column}` to a table with rows: its default {value} is not constant";
        "add it without a default and fill it in, or rebuild `{table}` with it in the copy";
    KEYS_IN_TRANSACTION Error "LT050-foreign-keys-in-transaction":
        "PRAGMA foreign_keys does nothing inside of a transaction";
        "write it before BEGIN";
    DEFERRED Warning "LT050-deferred-transaction":
        "this transaction reads first and takes its lock only at the first write, and fails there with SQLITE_BUSY, without waiting, if another connection wrote meanwhile";
        "`BEGIN IMMEDIATE`";
    NO_BUSY_TIMEOUT Note "LT050-no-busy-timeout":
        "this locks the whole database for writing, and fails at once if another connection is writing";
        "`PRAGMA busy_timeout = 5000;` first";
}
