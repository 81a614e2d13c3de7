//! Replays a scenario from a file and prints what each version shows after each event, and every node at the end: `replay FILE`.

use std::io::Write;

use coeval_testkit::laws::run::Runner;
use coeval_testkit::laws::scenario::Scenario;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let path = std::env::args().nth(1).ok_or("usage: replay FILE")?;
    let scenario = Scenario::from_text(&std::fs::read_to_string(path)?)?;
    let mut out = std::io::stdout();
    let mut runner = Runner::new(scenario.history()?, scenario.fused()?, scenario.newest());
    for event in &scenario.events {
        writeln!(out, "{event:?}\n  {:?}", runner.step(event))?;
        if let Some(stored) = runner.stored() {
            writeln!(out, "  stored {}", stored.to_value(true))?;
            for version in 1..=scenario.newest() {
                writeln!(out, "  {version}: {:?}", runner.history().read(stored, version))?;
            }
        }
    }
    if let Some(stored) = runner.stored() {
        let state = runner.history().state(stored)?;
        for (node, cell) in runner.history().scope().nodes.iter().zip(&state.cells) {
            writeln!(out, "{} [{}, {}) {cell:?}", node.key, node.born, node.end)?;
        }
    }
    Ok(())
}
