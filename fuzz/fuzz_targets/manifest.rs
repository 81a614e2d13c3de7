#![no_main]
//! Loading, checking and freezing any file never panics; every diagnostic can be shown, and freezing twice changes nothing.

use coeval_core::op::{Context, Rewrites};
use coeval_core::table::Tables;
use coeval_manifest::freeze::{Request, freeze};
use coeval_manifest::{Diagnostic, Manifest, Source};
use libfuzzer_sys::fuzz_target;

fn load(text: Vec<u8>) -> Result<Manifest, Vec<Diagnostic>> {
    Manifest::load(&Source::new("coeval.yaml", "name: shop\n".to_owned()), [("models/m.yaml".to_owned(), text)], None)
}

fn show(diagnostics: &[Diagnostic]) {
    for diagnostic in diagnostics {
        assert!(!diagnostic.render(false).is_empty(), "a diagnostic says something");
    }
}

fuzz_target!(|text: &[u8]| {
    let manifest = match load(text.to_vec()) {
        Ok(manifest) => manifest,
        Err(diagnostics) => return show(&diagnostics),
    };
    show(&manifest.check());
    let (tables, rewrites) = (Tables::new(), Rewrites::new());
    let context = Context { tables: &tables, rewrites: &rewrites };
    let request = Request::new("2026-11-21T10:00:00Z", "0194b8a0-0000-7000-8000-000000000001", context);
    let Ok(frozen) = freeze(&manifest, &request) else { return };
    let Some((_, written)) = frozen.files.into_iter().next() else { return };
    let again = match load(written.into_bytes()) {
        Ok(again) => again,
        Err(_) => panic!("what freeze writes can be loaded"),
    };
    let request = Request::new("2026-11-21T11:00:00Z", "0194b8a0-0000-7000-8000-000000000002", context);
    match freeze(&again, &request) {
        Ok(second) => assert!(second.files.is_empty(), "freezing twice without an edit changes no byte"),
        Err(_) => panic!("a draft that was frozen has no questions"),
    }
});
