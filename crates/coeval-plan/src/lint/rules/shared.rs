//! What is dangerous in every dialect.

super::rules! {
    UNCLOSED Error "SQL000-unclosed-quote":
        "{quote} is opened here and never closed, so nothing after it can be read";
        "close it";
    NOT_PARSED Warning "SQL000-not-parsed":
        "this statement could not be read to its end, so what is dangerous in it may be missed: {why}";
        "correct it; if the database accepts it as it is, look through it by hand and say so: `-- coeval-lint: allow SQL000-not-parsed: because …`";
    NOT_LOOKED_INTO Note "SQL000-not-looked-into":
        "what is done inside {block} was not looked through";
        "write the statements out where they do not depend on conditions";
    NO_REASON Warning "SQL000-suppression-without-reason":
        "this allows {code} and gives no reason";
        "say why it is no danger here: `-- coeval-lint: allow {code}: because …`";
    UNUSED Warning "SQL000-unused-suppression":
        "nothing here has to be allowed: the next statement has no finding {code}";
        "remove the comment; one that allows something stands right above the statement";
    UNKNOWN_CODE Warning "SQL000-unknown-code":
        "there is no rule {code}";
        "{near}";
    DROP_COLUMN Warning "SQL017-drop-column":
        "dropping `{column}` of `{table}` destroys its values, and programs that still name it fail";
        "first release programs that no longer read or write `{column}`; then take a copy of its values, and drop it in a migration of its own";
    DROP_TABLE Warning "SQL018-drop-table":
        "dropping `{name}` destroys its rows, and programs that still name it fail";
        "rename it out of the way first (`ALTER TABLE {name} RENAME TO {name}_dropped`), and drop it when nobody has missed it";
    DROP_SCHEMA Error "SQL018-drop-schema":
        "dropping the schema `{name}` destroys everything in it";
        "move what is still needed (`ALTER TABLE … SET SCHEMA …`), rename the schema, and drop it when nobody has missed it";
    DROP_DATABASE Error "SQL018-drop-database":
        "dropping the database `{name}` destroys everything in it";
        "no migration drops a database; do it by hand, after a backup";
    RENAME_COLUMN Warning "SQL019-rename-column":
        "programs that still read or write `{column}` of `{table}` fail as soon as it is called `{other}`";
        "add `{other}`, keep both equal with a trigger or offer `{other}` in a view, move all programs over, then drop `{column}`";
    RENAME_TABLE Warning "SQL019-rename-table":
        "programs that still name `{table}` fail as soon as it is called `{other}`";
        "in the same transaction, leave a view behind: `CREATE VIEW {table} AS SELECT * FROM {other}`; drop it when nothing names it any more";
    UPDATE_ALL Warning "SQL027-update-everything":
        "nothing bounds how many rows of `{table}` this {word} takes in one transaction: they stay locked until it ends, and replicas fall behind";
        "do it in batches by the primary key, each in its own transaction: `… WHERE id > :last AND id <= :last + 1000`";
}
