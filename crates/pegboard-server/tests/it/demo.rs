//! The main job: `pegboard demo` from nothing to the table, and again.

use std::time::Instant;

use crate::support::{command, end};

#[test]
fn demo_trains_models_prints_their_table_and_is_quick_the_second_time() {
    let folder = tempfile::tempdir().unwrap();
    let demo = || end(command(&["demo", "--listen", "127.0.0.1:0", "--once"]).current_dir(folder.path())).well();
    let first = demo();
    assert!(first.stderr.contains("listening on http://127.0.0.1:"), "{}", first.stderr);
    let header: Vec<&str> =
        first.stdout.lines().find(|line| line.contains("accuracy")).expect("a table").split_whitespace().collect();
    assert_eq!(header, ["dataset", "model", "parameters", "accuracy", "f1", "seconds"]);
    for words in [
        "best digits: ",
        "best wine: ",
        "/ui/runs/",
        "/ui/dash/models",
        "pegboard run train-models",
        "trigger report-after-training ran report-models",
        "check-models next at",
    ] {
        assert!(first.stdout.contains(words), "{words} in\n{}", first.stdout);
    }
    let table = first.stdout.split("best digits").next().unwrap_or_default();
    let rows = table.lines().filter(|line| line.starts_with("digits ") || line.starts_with("wine ")).count();
    assert_eq!(rows, 24, "{}", first.stdout);
    for words in [
        ": 100 images, hosted plugins of all six types",
        "Classify says that digit-0065.png shows a 6",
        "/labels.csv?sig=",
        "/ui/artifacts/data_source/digits-labels",
    ] {
        assert!(first.stdout.contains(words), "{words} in\n{}", first.stdout);
    }
    let begun = Instant::now();
    let second = demo();
    assert!(begun.elapsed().as_secs() < 60, "{:?}", begun.elapsed());
    assert!(second.stdout.contains("best digits: "), "{}", second.stdout);
    assert!(second.stdout.contains(": 100 images"), "nothing is imported again\n{}", second.stdout);
    assert!(!second.stderr.contains("host: "), "nothing is hosted again\n{}", second.stderr);
    assert!(!second.stderr.contains("resolve:"), "nothing is installed again\n{}", second.stderr);
}
