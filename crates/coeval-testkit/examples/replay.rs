//! Replays a scenario from a file and prints what each version shows at the end: `replay FILE`.

use coeval_testkit::laws::run::Runner;
use coeval_testkit::laws::scenario::Scenario;

fn main() {
    let path = std::env::args().nth(1).expect("a file");
    let text = std::fs::read_to_string(path).expect("a readable file");
    let scenario = Scenario::from_text(&text).expect("a scenario");
    let history = scenario.history().expect("a history that folds");
    let mut runner = Runner::new(history, scenario.fused().expect("a history that folds"), scenario.newest());
    for event in &scenario.events {
        let verdict = runner.step(event);
        println!("{event:?}\n  {verdict:?}");
        if let Some(stored) = runner.stored() {
            println!("  stored {}", stored.to_value(true));
            for version in 1..=scenario.newest() {
                println!("  {version}: {:?}", runner.history().read(stored, version));
            }
        }
    }
    if let Some(stored) = runner.stored() {
        let state = runner.history().state(stored).expect("a state");
        for (node, cell) in runner.history().scope().nodes.iter().zip(&state.cells) {
            println!("{} [{}, {}) {cell:?}", node.key, node.born, node.end);
        }
    }
}
