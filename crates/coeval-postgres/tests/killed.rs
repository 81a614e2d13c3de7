//! Runs that died at the worst moments; `coeval-cli` kills processes at any moment.

#![allow(clippy::unwrap_used, reason = "a test fails where it would")]

mod common;

use coeval_engine::{Goal, How, Outcome, run};
use coeval_store::event::{Event, Observer};
use common::parts::{BACK, PART, Shop, UP};
use common::session;
use common::shop::open;

/// Lets the migration die when the new version is offered, and nobody has noted that the run is over.
async fn died_after_it_offered() -> Shop {
    let mut shop = Shop::new().await;
    for goal in [UP, BACK] {
        run(&open(&shop.url, &[PART], 2), goal, &How::quietly()).await.unwrap();
    }
    let die = "CREATE FUNCTION public.die() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'dead'; END $$;
        CREATE TRIGGER die BEFORE INSERT ON coeval.history FOR EACH ROW WHEN (NEW.entry->>'event' = 'finished')
        EXECUTE FUNCTION public.die()";
    common::ask(&shop.client, die).await;
    let error = run(&open(&shop.url, &[PART], 2), UP, &How::quietly()).await.unwrap_err();
    assert!(matches!(error, coeval_engine::Error::Open { undoing: None, .. }), "{error:?}");
    common::ask(&shop.client, "DROP FUNCTION public.die() CASCADE").await;
    assert!(shop.has_newer().await, "it died before it offered the new version");
    shop.use_newer("offered").await;
    shop.use_older("offered").await;
    shop
}

/// Clients of both versions that write at the beginning of each step.
#[derive(Debug)]
struct Clients(String);

impl Observer for Clients {
    fn event(&self, event: Event) {
        let Event::StepStarted { what, .. } = event else { return };
        let url = self.0.clone();
        let writing = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let client = session(&url).await;
                for (write, read) in [
                    ("UPDATE shop_v2.part SET price = price + 1 WHERE id = 4", "older"),
                    ("UPDATE shop_v1.part SET price = price + 1 WHERE id = 4", "newer"),
                ] {
                    common::ask(&client, write).await;
                    let same = "SELECT a.price * 100 = b.price FROM shop_v1.part a JOIN shop_v2.part b USING (id) WHERE id = 4";
                    assert_eq!(common::ask(&client, same).await, "t", "the {read} version lags before `{what}`");
                }
            });
        });
        writing.join().unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_died_after_it_offered_is_resumed_under_its_clients() {
    let shop = died_after_it_offered().await;
    let clients = Clients(shop.url.clone());
    let how = How { observer: &clients, ..How::quietly() };
    let outcome = run(&open(&shop.url, &[PART], 2), UP, &how).await.unwrap();
    assert!(matches!(&outcome, Outcome::Done(done) if done.resumed), "{outcome:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_died_after_it_offered_is_undone_and_what_its_clients_wrote_is_kept() {
    let mut shop = died_after_it_offered().await;
    let undo = Goal::Rollback { to: None };
    let outcome = run(&open(&shop.url, &[PART], 2), undo, &How::quietly()).await.unwrap();
    assert!(matches!(outcome, Outcome::Undone { version: 1, .. }), "{outcome:?}");
    assert!(!shop.has_newer().await);
    shop.use_older("undone").await;
    run(&open(&shop.url, &[PART], 2), UP, &How::quietly()).await.unwrap();
    shop.use_older("migrated again").await;
    shop.use_newer("migrated again").await;
}
