//! The catalog with the real binary: published from the command line, from an MLflow run, and from inside of a stage; asked and removed.

use std::fmt::Write as _;

use serde_json::{Value as Json, json};

use crate::support::World;

const WINE: &str = "id,alcohol,class\n1,12.5,a\n2,13.1,b\n3,11.0,a\n4,,b\n";

/// Rows of an answer as lists.
fn rows(page: &Json) -> Vec<Json> {
    page["rows"].as_array().expect("rows").clone()
}

#[test]
fn tables_are_published_looked_at_asked_and_removed() {
    let world = World::new();
    let csv = world.file("wine.csv", WINE);
    let added =
        world.run(&["catalog", "add", "data-source", "wine", &csv, "--owner", "vera", "--tag", "red", "--json"]).well().json();
    assert_eq!(
        (&added["version"], &added["files"][0]["rows"], &added["origin"]["source"]),
        (&json!(1), &json!(4), &json!("wine.csv"))
    );
    let types: Vec<_> =
        added["files"][0]["columns"].as_array().unwrap().iter().map(|column| column["sql_type"].clone()).collect();
    assert_eq!(types, ["bigint", "double", "string"]);

    let features =
        ["catalog", "add", "feature-set", "wine-features", &csv, "--input", "data_source:wine", "--fact", "id_column=id"];
    world.run(&features).well();
    let shown = world.run(&["catalog", "show", "data-source", "wine", "--json"]).well().json();
    assert_eq!(shown["used_by"], json!(["feature_set:wine-features"]));
    assert!(world.run(&["catalog", "show", "feature-set", "wine-features"]).well().stdout.contains("data_source:wine"));

    // Both names of the identifier, and the schema of its kind.
    for table in ["wine_features", "\"wine-features\"", "feature_set.\"wine-features\""] {
        let sql = format!("select class, count(*) as n, avg(alcohol) as mean from {table} group by class order by class");
        let page = world.run(&["catalog", "query", &sql, "--json"]).well().json();
        assert_eq!(rows(&page), [json!(["a", 2, 11.75]), json!(["b", 2, 13.1])], "{table}");
    }
    let statistics = world.get("/api/v1/catalog/data_source/wine/statistics");
    assert_eq!(statistics["descriptive_stats"]["alcohol"]["median"], json!(12.5));
    assert_eq!(statistics["column_stats"]["alcohol"]["nulls"], json!(1));
    assert_eq!(statistics["value_counts"]["class"], json!({ "a": 2, "b": 2 }));
    // Kept beside the table: the same again, without a worker.
    assert_eq!(world.get("/api/v1/catalog/data_source/wine/statistics"), statistics);

    // A second version; the first is still there.
    let longer = world.file("longer.csv", &format!("{WINE}5,14.0,c\n"));
    assert!(world.run(&["catalog", "add", "data-source", "wine", &longer]).well().stdout.contains("version 2, 5 rows"));
    let first = world.run(&["catalog", "show", "data-source", "wine", "--version", "1", "--json"]).well().json();
    assert_eq!((&first["version"], &first["owner"], first["versions"].as_array().unwrap().len()), (&json!(1), &json!("vera"), 2));
    let listed = world.run(&["catalog", "ls", "--json"]).well().json();
    assert_eq!(listed["artifacts"].as_array().unwrap().len(), 2);
    world.run(&["catalog", "edit", "data-source", "wine", "--health", "no_activity"]).well();
    assert!(world.run(&["catalog", "ls", "data-source"]).well().stdout.contains("no_activity"));

    // Nothing of a removed artifact stays.
    world.run(&["catalog", "rm", "data-source", "wine"]).well();
    world
        .run(&["catalog", "show", "data-source", "wine"])
        .failed(1, &["there is no data_source `wine`", "pegboard catalog ls data-source"]);
    world.run(&["catalog", "rm", "feature-set", "wine-features"]).well();
    // The store removes folders with their last object.
    let objects = std::fs::read_dir(world.data().join("objects/catalog")).map_or(0, Iterator::count);
    assert_eq!(objects, 0);
}

#[test]
fn what_cannot_be_is_refused_and_leaves_nothing() {
    let world = World::new();
    let broken = world.file("broken.parquet", "this is no Parquet");
    world.run(&["catalog", "add", "data-source", "x", &broken]).failed(1, &["file `data`", "cannot be read as a table"]);
    world.run(&["catalog", "add", "data-source", "x", &world.file("x.txt", "1")]).failed(2, &[".csv"]);
    world.run(&["catalog", "add", "data-source", "a//b", &world.file("a.csv", "a\n1\n")]).failed(1, &["not a name"]);
    world
        .run(&["catalog", "add", "feature-set", "x", &world.file("b.csv", "a\n1\n"), "--input", "wine"])
        .failed(1, &["kind and name"]);
    world.run(&["catalog", "ls", "pictures"]).failed(1, &["not a kind of artifact", "data_source"]);
    assert_eq!(world.run(&["catalog", "ls", "--json"]).well().json()["artifacts"], json!([]));
    let objects = std::fs::read_dir(world.data().join("objects/catalog")).map_or(0, Iterator::count);
    assert_eq!(objects, 0, "what was refused left an object");

    world.run(&["catalog", "add", "data-source", "wine", &world.file("wine.csv", WINE)]).well();
    let secret = world.file("secret.csv", "word\nhidden\n");
    for (sql, words) in [
        (format!("select * from read_csv('{secret}')"), "Cannot access file"),
        ("select 1; select 2".to_owned(), "one `select` statement"),
        ("drop table wine".to_owned(), "one `select` statement"),
        ("create table t as select 1".to_owned(), "one `select` statement"),
        (format!("copy wine to '{secret}'"), "one `select` statement"),
        ("selekt".to_owned(), "no SQL"),
        ("select no_such_column from wine".to_owned(), "no_such_column"),
        ("select * from no_such_table".to_owned(), "no_such_table"),
    ] {
        let ended = world.run(&["catalog", "query", &sql]).failed(1, &[words]);
        assert!(!ended.stdout.contains("hidden"), "{sql}");
    }
    assert_eq!(std::fs::read_to_string(&secret).unwrap(), "word\nhidden\n");
    let answer = world.http("GET /api/v1/catalog/data_source/wine/rows?file=other HTTP/1.0\nHost: localhost\n\n");
    assert!(answer.0 == 404 && answer.2.contains("artifact-file-not-found"), "{}", answer.2);
}

#[test]
fn a_million_rows_are_sampled_and_paged() {
    let world = World::new();
    let mut text = String::from("id,x\n");
    for id in 0..1_000_000 {
        writeln!(text, "{id},{}.5", id % 977).unwrap();
    }
    let csv = world.file("big.csv", &text);
    assert!(world.run(&["catalog", "add", "data-source", "big", &csv]).well().stdout.contains("1000000 rows"));
    let sample = || rows(&world.run(&["catalog", "sample", "data-source", "big", "--rows", "200", "--json"]).well().json());
    let one = sample();
    assert_eq!(one.len(), 200);
    assert!(one.iter().any(|row| row[0].as_u64() > Some(500_000)), "spread over the whole table");
    assert_eq!(one, sample(), "the same for everybody");
    let page = world.run(&["catalog", "sample", "data-source", "big", "--rows", "3", "--from", "999998", "--json"]).well().json();
    assert_eq!(rows(&page), [json!([999_998, 527.5]), json!([999_999, 528.5])]);
    world.run(&["catalog", "sample", "data-source", "big", "--rows", "10001"]).failed(1, &["at most 10000"]);
    let whole = world.run(&["catalog", "query", "select * from big", "--limit", "10000", "--json"]).well().json();
    assert_eq!(rows(&whole).len(), 10_000);
    let default = world.get("/api/v1/catalog/data_source/big/rows");
    assert_eq!(rows(&default).len(), 100);
}

#[test]
fn a_model_comes_with_its_runs() {
    let world = World::new();
    for folder in ["run", "shap", "mlruns/params", "mlruns/metrics/val", "mlruns/tags", "mlruns/artifacts/deep"] {
        std::fs::create_dir_all(world.folder.path().join(folder)).unwrap();
    }
    world.file("run/predictions.csv", "id,class,prediction\n1,a,a\n2,b,a\n");
    world.file("run/inference_metrics.csv", "class,f1\na,0.5\n");
    world.file("run/inference_cm.csv", "labels,a,b\na,1,0\nb,1,0\n");
    world.file("run/inference_meta.json", r#"{"description": "by hand"}"#);
    world.file("shap/shap_importance.json", r#"[["alcohol", 0.5]]"#);
    world.file("shap/shap_values_a.csv", "id,alcohol\n1,0.5\n");
    let add = [
        "catalog",
        "add",
        "model",
        "wine",
        "--type",
        "classifier",
        "--target",
        "class",
        "--feature",
        "alcohol",
        "--class-label",
        "a",
        "--class-label",
        "b",
        "--run",
        "test=run",
        "--shap",
        "shap",
        "--json",
    ];
    let model = world.run(&add).well().json();
    let roles: Vec<_> = model["files"].as_array().unwrap().iter().map(|file| file["role"].as_str().unwrap()).collect();
    assert_eq!(
        roles,
        ["runs/test/confusion_matrix", "runs/test/metrics", "runs/test/predictions", "shap_importance", "shap_values/a"]
    );
    assert_eq!(model["facts"]["class_labels"], json!(["a", "b"]));
    assert_eq!(model["facts"]["runs"]["test"]["description"], "by hand");
    let sample = ["catalog", "sample", "model", "wine", "--file", "runs/test/confusion_matrix", "--json"];
    assert_eq!(rows(&world.run(&sample).well().json()), [json!(["a", 1, 0]), json!(["b", 1, 0])]);
    world.run(&["catalog", "add", "model", "wine", "--run", "x=shap"]).failed(2, &["holds no results of a run"]);

    world.file("mlruns/meta.yaml", "run_id: 3f0c\nrun_name: calm-crow\nuser_id: vera\nstatus: 3\n");
    world.file("mlruns/params/depth", "3");
    world.file("mlruns/params/kind", "tree\n");
    world.file("mlruns/metrics/f1", "1700000000000 0.5 0\n1700000000001 0.75 1\n");
    world.file("mlruns/metrics/val/loss", "1700000000000 nan 0\n");
    world.file("mlruns/tags/mlflow.note.content", "a note");
    world.file("mlruns/artifacts/deep/predictions.csv", "id,prediction\n1,2\n");
    world.file("mlruns/artifacts/model.bin", "bytes");
    let model = world.run(&["catalog", "import-mlflow", "mlruns", "--type", "regressor", "--json"]).well().json();
    assert_eq!((&model["name"], &model["owner"], &model["description"]), (&json!("calm-crow"), &json!("vera"), &json!("a note")));
    assert_eq!(model["facts"]["hyperparameters"], json!({ "depth": 3, "kind": "tree" }));
    assert_eq!(model["origin"]["run"], "3f0c");
    let metrics = world.get("/api/v1/catalog/model/calm-crow/rows?file=runs%2Fmlflow%2Fmetrics");
    assert_eq!(rows(&metrics), [json!([0.75])]);
    let roles: Vec<_> = model["files"].as_array().unwrap().iter().map(|file| file["role"].as_str().unwrap()).collect();
    assert_eq!(roles, ["model/deep/predictions.csv", "model/model.bin", "runs/mlflow/metrics", "runs/mlflow/predictions"]);
    let (status, _, body) =
        world.http("GET /api/v1/catalog/model/calm-crow/files/model%2Fmodel.bin HTTP/1.0\nHost: localhost\n\n");
    assert_eq!((status, body.as_str()), (200, "bytes"));
    world.run(&["catalog", "import-mlflow", "run"]).failed(2, &["not the directory of an MLflow run"]);
}

const STAGES: &str = r#"
from pegboard.catalog import CatalogError, RunResults, catalog


def prepare():
    rows = [{"id": each, "x": each / 2, "y": each} for each in range(50)]
    catalog.publish_data_source("points", rows, owner="vera")
    made = catalog.publish_feature_set("point-features", rows, id_column="id", inputs=["data_source:points"])
    return made["version"]


def train(version):
    rows = catalog.rows("feature_set", "point-features", limit=50)
    predictions = [{"id": row["id"], "y": row["y"], "prediction": row["x"] * 2} for row in rows]
    catalog.publish_model(
        "points",
        model_type="regressor",
        target="y",
        features=["x"],
        hyperparameters={"slope": 2},
        runs={"full_cross_fold": RunResults(predictions=predictions, metrics={"rmse": 0.0, "support": len(rows)})},
        shap_importance=[("x", 1.0)],
        inputs=["feature_set:point-features"],
    )
    catalog.add_run("points", "later", RunResults(metrics=[{"rmse": 1.5}], description="once more"))
    catalog.put_parameter("/points/best", {"rmse": 0.0})
    try:
        catalog.artifact("model", "nothing")
    except CatalogError as error:
        assert error.code == "artifact-not-found"
    return {"read back": catalog.rows("model", "points", file="runs/later/metrics"), "best": catalog.parameter("/points/best")}
"#;

#[test]
fn a_stage_publishes_its_model_and_reads_it_back() {
    let world = World::new();
    let modules = world.data().join("user_modules");
    std::fs::create_dir_all(&modules).unwrap();
    std::fs::write(modules.join("points.py"), STAGES).unwrap();
    world.workflow(
        "train-points",
        "    - name: prepare\n      target: user_modules.points.prepare\n    - name: train\n      target: user_modules.points.train\n      depends_on: [prepare]\n",
    );
    let run = world.run(&["run", "train-points", "--wait", "--json"]).well().json();
    assert_eq!(run["result"], json!({ "read back": [{ "rmse": 1.5 }], "best": { "rmse": 0.0 } }), "{run}");
    let model = world.run(&["catalog", "show", "model", "points", "--json"]).well().json();
    assert_eq!(
        (&model["origin"]["run"], &model["origin"]["workflow"], &model["origin"]["source"]),
        (&run["uid"], &json!("train-points"), &json!("train"))
    );
    assert_eq!(model["inputs"], json!(["feature_set:point-features"]));
    assert_eq!(model["facts"]["runs"], json!({ "later": { "description": "once more" } }));
    assert_eq!((&model["version"], model["files"].as_array().unwrap().len()), (&json!(1), 4));
    let sample = world.run(&["catalog", "query", "select count(*), sum(y) from point_features", "--json"]).well().json();
    assert_eq!(rows(&sample)[0][0], 50);
}
