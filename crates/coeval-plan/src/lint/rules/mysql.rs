//! What is dangerous in MySQL and MariaDB.

super::rules! {
    NO_ALGORITHM Warning "MY037-no-algorithm":
        "without ALGORITHM and LOCK, this falls back to copying `{table}` with writes blocked if nothing better is possible, and says nothing";
        "add `, ALGORITHM=INSTANT` (or `, ALGORITHM=INPLACE, LOCK=NONE`), so that it fails at once instead";
    COPYING Error "MY037-copying-algorithm":
        "{value} blocks writes to `{table}` until all of it is done";
        "`ALGORITHM=INSTANT`, or `ALGORITHM=INPLACE, LOCK=NONE`; where MySQL refuses that, gh-ost or pt-online-schema-change";
    REBUILD Warning "MY038-table-rebuilt":
        "{what} copies all of `{table}`, and blocks writes to it meanwhile";
        "gh-ost, spirit or pt-online-schema-change: a shadow table that follows the changes, and an atomic RENAME";
    NO_WAIT_TIMEOUT Warning "MY039-no-lock-wait-timeout":
        "if a transaction on `{table}` is open, this waits for it for up to a year, and every later query on `{table}` waits behind it";
        "`SET SESSION lock_wait_timeout = 2;` before it, and try again after a pause if it fails";
    FOREIGN_KEY_COPIES Warning "MY040-foreign-key-copies":
        "adding a foreign key while foreign_key_checks is on copies all of `{table}`, and blocks writes to it meanwhile";
        "look for rows without a partner, then `SET SESSION foreign_key_checks = 0;` and `ALTER TABLE {table} ADD FOREIGN KEY …, ALGORITHM=INPLACE, LOCK=NONE`";
    EXPRESSION_DEFAULT Warning "MY041-expression-default":
        "the default of `{column}` is an expression, so all of `{table}` is copied and writes are blocked meanwhile";
        "`ALTER TABLE {table} ADD COLUMN {column} {type}`, then `ALTER TABLE {table} ALTER COLUMN {column} SET DEFAULT {value}`, then fill in older rows in batches";
    MYSQL_REQUIRED Warning "MY041-required-column-without-default":
        "older rows of `{table}` get a zero or an empty text as `{column}`, which nobody has chosen, and programs that do not know it can no longer insert";
        "add it nullable or with a default, fill in older rows in batches, then `MODIFY {column} {type} NOT NULL`";
    INLINE_REFERENCES Error "MY042-inline-references":
        "MySQL before 9.0 reads REFERENCES beside a column and ignores it: `{column}` has no foreign key";
        "a clause of its own: `FOREIGN KEY ({column}) REFERENCES {other} (…)`";
    SEVERAL_STATEMENTS Warning "MY043-several-statements":
        "each statement that changes a definition is committed at once, so if this one fails the ones before it stay";
        "one such statement a step, each with its own way back; or make each harmless to repeat, with IF [NOT] EXISTS";
    DDL_IN_TRANSACTION Error "MY043-ddl-in-transaction":
        "this statement commits the transaction that it stands in: what comes before it can no longer be rolled back";
        "take it out of the transaction";
    VARCHAR_GROWS Warning "MY044-varchar-grows-past-255-bytes":
        "`{column}` grows past 255 bytes, so its length takes two bytes instead of one and all of `{table}` is copied with writes blocked";
        "gh-ost, spirit or pt-online-schema-change; or stay within {value} characters of utf8mb4";
    ENUM_CHANGE Warning "MY044-enum-values-changed":
        "unless values are only added at the end of the list of `{column}`, all of `{table}` is copied with writes blocked";
        "add new values at the end, with `ALGORITHM=INSTANT` so that anything else fails";
    INPLACE_LAG Note "MY045-inplace-lags-replicas":
        "replicas do this only after the primary has done it, and stand still for as long as it takes on `{table}`";
        "where `{table}` is large and replicas must not lag: gh-ost with `--max-lag-millis`";
}
