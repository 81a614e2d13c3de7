//! The laws on records in PostgreSQL: generated histories, clients and runs, beside the same on the core alone.

#![allow(clippy::unwrap_used, reason = "a test fails where it would")]

mod common;

use std::sync::Arc;

use coeval_core::value::{Object, Value};
use coeval_core::{Model, json};
use coeval_engine::How;
use coeval_plan::table::Ability;
use coeval_postgres::{Database, PostgresBackend, State};
use coeval_sql::{fit, ident};
use coeval_store::Catalog;
use coeval_store::work::Policy;
use coeval_testkit::laws::generate::Aim;
use coeval_testkit::laws::tables::{self, cases_hold, hold};
use common::{fresh, open_with, session};
use tokio_postgres::{Client, SimpleQueryMessage};

/// A database with a deployment for each scenario, and a client of it.
struct Server(Arc<Database>, Client);

impl Server {
    async fn new() -> Self {
        let url = fresh().await;
        Self(open_with(&url, &[]).unwrap(), session(&url).await)
    }
}

impl tables::Database for Server {
    type Store = PostgresBackend;

    const ABILITY: Ability = Ability { knows_writer: false };

    const ALIKE: &[(&str, &str)] = &[("+02:00", "moment"), ("0194F0C2", "UUID")];

    async fn at_newest(&self, seed: u64, catalog: Catalog, _: u32) -> Result<PostgresBackend, String> {
        let store = PostgresBackend::new(State::new(Arc::clone(&self.0), format!("laws{seed}")), Arc::new(catalog));
        let how = How { policy: Policy::Quarantine, ..How::quietly() };
        let said = |error: coeval_engine::Error| {
            let told: Vec<char> = format!("{error:?}").chars().collect();
            format!("{error}: {}", told[told.len().saturating_sub(1500)..].iter().collect::<String>())
        };
        coeval_engine::migrate(&store, None, false, &how).await.map_err(said)?;
        Ok(store)
    }

    async fn rows(&self, _: &PostgresBackend, seed: u64, model: &Model, version: u32) -> Result<Vec<Object>, String> {
        let view = format!("{}.{}", ident(&format!("laws{seed}_v{version}")), ident(&fit(&model.name)));
        let rows = self.1.simple_query(&format!("SELECT pg_catalog.to_jsonb(v) FROM {view} AS v")).await;
        let texts = rows.map_err(|error| format!("{error:?}"))?.into_iter().filter_map(|message| match message {
            SimpleQueryMessage::Row(row) => row.get(0).map(str::to_owned),
            _ => None,
        });
        let object = |text: String| match json::parse(text.as_bytes()) {
            Ok(Value::Object(row)) => Ok(row),
            other => Err(format!("{text}: {other:?}")),
        };
        texts.map(object).collect()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn cases_that_once_failed_hold() {
    cases_hold(&Server::new().await, 20).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_law_holds_in_postgres() {
    hold(&Server::new().await, Aim::Any, 150, 50).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn l7_a_former_value_that_is_written_back_is_fresh() {
    hold(&Server::new().await, Aim::Former, 60, 12).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn l14_a_group_that_changes_in_part_is_computed_as_one() {
    hold(&Server::new().await, Aim::Partial, 60, 12).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn l15_a_value_of_its_own_stays_when_its_source_changes() {
    hold(&Server::new().await, Aim::Pinned, 60, 12).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_retires_changes_nothing_at_a_version_that_lives() {
    hold(&Server::new().await, Aim::Retire, 60, 12).await;
}
