//! `MERGE` through the views of versions, which servers before PostgreSQL 17 refuse.

#![allow(clippy::unwrap_used, reason = "a test fails where it would")]

mod common;

use common::shop::{ITEM, migrate, open, rollback};
use common::{ask, fresh, session};

/// What a client of a version merges: a changed row, and a new one.
const OLD: &str =
    "MERGE INTO shop_v1.item AS t USING (VALUES (1, 'Stool', 7.5), (3, 'Lamp', 3.25)) AS s (id, name, price) ON t.id = s.id
    WHEN MATCHED THEN UPDATE SET name = s.name, price = s.price
    WHEN NOT MATCHED THEN INSERT (id, name, price, address) VALUES (s.id, s.name, s.price, '{}')";
const NEW: &str = "MERGE INTO shop_v3.item AS t USING (VALUES (1, 2000), (2, NULL), (4, 450)) AS s (id, price) ON t.id = s.id
    WHEN MATCHED AND s.price IS NULL THEN DELETE
    WHEN MATCHED THEN UPDATE SET price = s.price
    WHEN NOT MATCHED THEN INSERT (id, title, price, qty, priority, slug, address) VALUES (s.id, 'Rug', s.price, 2, 'low', 'rug', '{}')";

#[tokio::test(flavor = "multi_thread")]
async fn merge_writes_through_versions_from_17_on_and_is_refused_before() {
    let url = fresh().await;
    let client = session(&url).await;
    let backend = open(&url, &[ITEM], 3);
    migrate(&backend, 3).await;
    client
        .batch_execute("INSERT INTO shop_v1.item VALUES (1, 'Chair', 19.99, 4, '{}'), (2, 'Desk', 5, NULL, '{}')")
        .await
        .unwrap();
    let rows = "SELECT id, title, price, qty, slug FROM shop_v3.item ORDER BY id";
    let version: i32 = ask(&client, "SHOW server_version_num").await.parse().unwrap();
    if version < 170_000 {
        for merge in [OLD, NEW] {
            let error = client.batch_execute(merge).await.unwrap_err();
            let said = error.as_db_error().unwrap();
            // 14 does not know the word.
            let expected =
                if version < 150_000 { "syntax error at or near \"MERGE\"" } else { "cannot execute MERGE on relation \"item\"" };
            assert_eq!(said.message(), expected);
            let detail = (version >= 150_000).then_some("This operation is not supported for views.");
            assert_eq!(said.detail(), detail);
        }
        // What the manual names in its place.
        let instead =
            "INSERT INTO shop_v1.item (id, name, price, address) VALUES (1, 'Stool', 7.5, '{}'), (3, 'Lamp', 3.25, '{}')
                       ON CONFLICT (id) DO UPDATE SET name = excluded.name, price = excluded.price";
        client.batch_execute(instead).await.unwrap();
        assert_eq!(ask(&client, rows).await, "1|Stool|750|4|Stool-\n2|Desk|500|0|Desk-\n3|Lamp|325|0|Lamp-");
        return;
    }
    client.batch_execute(OLD).await.unwrap();
    assert_eq!(ask(&client, rows).await, "1|Stool|750|4|Stool-\n2|Desk|500|0|Desk-\n3|Lamp|325|0|Lamp-");
    client.batch_execute(NEW).await.unwrap();
    assert_eq!(ask(&client, rows).await, "1|Stool|2000|4|Stool-\n3|Lamp|325|0|Lamp-\n4|Rug|450|2|rug");
    assert_eq!(
        ask(&client, "SELECT id, name, trim_scale(price) FROM shop_v1.item ORDER BY id").await,
        "1|Stool|20\n3|Lamp|3.25\n4|Rug|4.5"
    );
    // What another version could not show is refused, as by any other write.
    let wrong = "MERGE INTO shop_v3.item AS t USING (VALUES (9)) AS s (id) ON t.id = s.id WHEN NOT MATCHED THEN INSERT (id) VALUES (s.id)";
    let error = client.batch_execute(wrong).await.unwrap_err();
    assert_eq!(error.code().map(|code| code.code().to_owned()).as_deref(), Some("23502"));
    // RETURNING says what became of it.
    let returned = "MERGE INTO shop_v1.item AS t USING (VALUES (1)) AS s (id) ON t.id = s.id
                    WHEN MATCHED THEN UPDATE SET price = 1.5 RETURNING t.id, t.price";
    assert_eq!(ask(&client, returned).await, "1|1.5");
    rollback(&backend, 1).await;
    assert_eq!(ask(&client, "SELECT id, trim_scale(price) FROM shop_v1.item ORDER BY id").await, "1|1.5\n3|3.25\n4|4.5");
}
