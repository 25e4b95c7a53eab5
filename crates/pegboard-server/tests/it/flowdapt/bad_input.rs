//! Sections 17 and 18 of the specification, row by row: what the original answers badly is answered well.

use std::time::{Duration, Instant};

use serde_json::{Value as Json, json};

use super::exchange::{Answer, Ask};
use super::replay::world;
use crate::support::{World, until};

const HELLO: &str = "flowdapt_probe_plugin.stages.hello";

fn get(world: &World, path: &str) -> Answer {
    Ask::new("GET", path).send(&world.url)
}

fn send(world: &World, method: &str, path: &str, body: &Json) -> Answer {
    Ask::new(method, path).header("Content-Type", "application/json").body(body.to_string()).send(&world.url)
}

fn workflow(name: &str, stages: &[Json]) -> Json {
    json!({ "kind": "workflow", "metadata": { "name": name }, "spec": { "stages": stages } })
}

fn stage(target: &str) -> Json {
    json!({ "name": "only", "target": target })
}

/// Creates a workflow of one stage of the probe plugin, runs it, and gives back the run.
#[track_caller]
fn run_of(world: &World, name: &str) -> Json {
    let body = workflow(name, &[stage(&format!("flowdapt_probe_plugin.stages.{name}"))]);
    assert_eq!(send(world, "POST", "/workflows/", &body).status, 200);
    let answer = send(world, "POST", &format!("/workflows/{name}/run"), &json!({}));
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()
}

#[test]
fn requests() {
    let world = world();
    assert_eq!(send(&world, "POST", "/workflows/", &workflow("hello", &[stage(HELLO)])).status, 200);
    assert_eq!(send(&world, "POST", "/workflows/", &workflow("other", &[stage(HELLO)])).status, 200);

    // Versions.
    let plain = get(&world, "/workflows/hello");
    assert_eq!((plain.status, plain.header("x-api-version")), (200, Some("v1alpha1")));
    for (header, words) in [
        ("workflow.v9", "Unsupported API Versions requested {'v9'}"),
        ("v1alpha1", "Invalid API version header"),
        ("zz", "Invalid API version header"),
    ] {
        Ask::new("GET", "/workflows/hello").header("X-API-Version", header).send(&world.url).refused(400, words);
    }

    // Bodies of resources.
    for (body, words) in [
        (&b""[..], "Expecting value"),
        (b"{bad", "not JSON"),
        (b"[]", "valid dictionary"),
        (b"\"x\"", "valid dictionary"),
        (b"3", "valid dictionary"),
        (b"\xff\xfe{", "not JSON"),
        (b"{\"metadata\": {\"name\": \"\xe9\"}}", "not JSON"),
        (b"{}", "metadata: Field required\nspec: Field required"),
        (b"{\"metadata\": {\"name\": \"a\\n\"}, \"spec\": {\"stages\": [{}]}}", "metadata.name: `name` can only contain"),
        (b"{\"metadata\": {\"name\": \"a\"}, \"spec\": {\"stages\": []}}", "spec.stages: "),
        (b"{\"metadata\": {\"name\": \"a\"}, \"spec\": {\"stages\": [{\"type\": \"x\"}]}}", "Stage type `x` does not exist."),
        (
            b"{\"metadata\": {\"name\": 5, \"annotations\": {\"a\": 1}}, \"spec\": 1}",
            "metadata.annotations.a: Input should be a valid string",
        ),
    ] {
        let ask = Ask::new("POST", "/workflows/").header("Content-Type", "text/plain").body(body);
        ask.send(&world.url).refused(400, words);
    }
    // Any media type will do, and unknown keys are dropped without a word.
    let odd = json!({ "foo": 1, "metadata": { "name": "odd", "x": 1 }, "spec": { "bar": 2, "stages": [{ "name": "a", "target": "t", "map_on": "x" }] } });
    let answer = Ask::new("POST", "/workflows/")
        .header("Content-Type", "application/x-www-form-urlencoded")
        .body(odd.to_string())
        .send(&world.url);
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert!(!answer.text().contains("foo") && !answer.text().contains("map_on"), "{}", answer.text());
    let huge = json!({ "metadata": { "name": "x".repeat(17 << 20) } });
    send(&world, "POST", "/workflows/", &huge).refused(413, "larger than the server takes");

    // Names.
    send(&world, "POST", "/workflows/", &workflow("hello", &[stage(HELLO)]))
        .refused(400, "WorkflowResource with name `hello` already exists");
    send(&world, "PUT", "/workflows/other", &workflow("hello", &[stage(HELLO)]))
        .refused(400, "WorkflowResource with name `hello` already exists");
    let uid = get(&world, "/workflows/hello").json()["metadata"]["uid"].as_str().unwrap().to_owned();
    let bare = uid.replace('-', "");
    for spelling in [uid.to_uppercase(), bare.clone(), format!("urn:uuid:{uid}"), format!("%7B{uid}%7D")] {
        assert_eq!(get(&world, &format!("/workflows/{spelling}")).json()["metadata"]["name"], "hello", "{spelling}");
    }

    // A graph that cannot run is stored, with a word about it where old clients do not look.
    let mut circle = stage(HELLO);
    circle["depends_on"] = json!(["later"]);
    let stored = send(&world, "POST", "/workflows/", &workflow("circle", &[circle]));
    assert!(stored.header("x-pegboard-warning").is_some_and(|warning| warning.contains("`later`")), "{:?}", stored.headers);
    assert_eq!(Ask::new("POST", "/workflows/circle/run").send(&world.url).json()["result"][0], "AssertionError");

    // Wrong kind: the endpoint's.
    let mut wrong = workflow("kinds", &[stage(HELLO)]);
    wrong["kind"] = json!("config");
    assert_eq!(send(&world, "POST", "/workflows/", &wrong).json()["kind"], "workflow");
    wrong["kind"] = json!(3);
    send(&world, "PUT", "/workflows/kinds", &wrong).refused(400, "kind: Input should be a valid string");

    // Bodies and queries of runs.
    for body in [&b"[1]"[..], b"\"x\"", b"{bad", b"\xff", b"3"] {
        Ask::new("POST", "/workflows/hello/run")
            .header("Content-Type", "application/json")
            .body(body)
            .send(&world.url)
            .refused(400, "body");
    }
    let text = Ask::new("POST", "/workflows/hello/run")
        .header("Content-Type", "text/plain")
        .body("{\"name\": \"Bob\"}")
        .send(&world.url);
    assert_eq!(text.json()["result"], "hello Bob");
    for (method, path) in [
        ("POST", "/workflows/hello/run?wait=maybe"),
        ("POST", "/workflows/hello/run?wait="),
        ("GET", "/workflows/hello/run?limit=x"),
        ("GET", "/metrics?start_time=bad"),
        ("GET", "/metrics?end_time=bad"),
        ("GET", "/metrics?max_length=x"),
        ("GET", "/metrics?max_length=-1"),
    ] {
        Ask::new(method, path).send(&world.url).refused(400, "query.");
    }

    // What is not there.
    for path in [
        "/workflows/nope",
        "/workflows/not%20a%20name",
        "/workflows/nope/run",
        "/workflows/run/nope",
        "/configs/nope",
        "/triggers/nope",
        "/plugin/nope",
        "/plugin/nope/files",
        "/plugin/flowdapt-probe-plugin/files/nope.csv",
        "/plugin/flowdapt-probe-plugin/files/..%2F..%2Fpyvenv.cfg",
        "/plugin/Flowdapt_Probe_Plugin",
    ] {
        get(&world, path).refused(404, "Resource not found");
    }
    get(&world, "/plugin/a/b").refused(404, "Not Found");
    let wrong = Ask::new("PATCH", "/workflows/hello").send(&world.url);
    wrong.refused(405, "Method Not Allowed");
    let allowed = wrong.header("allow").unwrap_or_default().to_owned();
    assert!(["GET", "PUT", "DELETE"].iter().all(|method| allowed.contains(method)), "{allowed}");
    let nobody = get(&world, "/elsewhere").json();
    assert_eq!((&nobody["detail"], &nobody["status_code"]), (&json!("Not Found"), &json!(404)));
    assert_eq!(nobody["error"]["code"], "route-not-found");

    // Redirects keep the query; a page of another site changes nothing and is told so in the dialect's words.
    let moved = get(&world, "/workflows?x=1");
    assert_eq!((moved.status, moved.header("location")), (307, Some("/workflows/?x=1")));
    assert_eq!(get(&world, "/workflows/hello/").header("location"), Some("/workflows/hello"));
    let foreign = Ask::new("POST", "/drain").header("Origin", "https://evil.example").send(&world.url);
    foreign.refused(403, "evil.example");
    let refused = Ask::new("GET", "/workflows/nope").header("Origin", "http://localhost:3030").send(&world.url);
    assert_eq!(refused.header("access-control-allow-origin"), Some("http://localhost:3030"));

    // A workflow that is called `run`.
    assert_eq!(send(&world, "POST", "/workflows/", &workflow("run", &[stage(HELLO)])).status, 200);
    assert_eq!(Ask::new("POST", "/workflows/run/run").send(&world.url).json()["result"], "hello world");
    assert_eq!(get(&world, "/workflows/run/run").json().as_array().map(Vec::len), Some(1));

    // Triggers.
    let trigger =
        |rule: Json| json!({ "metadata": { "name": "t" }, "spec": { "rule": rule, "action": { "target": "run_workflow" } } });
    send(&world, "POST", "/triggers/", &trigger(json!({ "xor": [1, 2] }))).refused(400, "xor");
    send(&world, "POST", "/triggers/", &trigger(json!({}))).refused(400, "Condition rule must be a dictionary and is required");
    let absent = trigger(json!({ "eq": [{ "var": "type" }, "never"] }));
    assert_eq!(send(&world, "POST", "/triggers/", &absent).status, 200);
}

#[test]
fn runs() {
    let world = world();
    // Ends that the original does not survive; a good run in between each.
    for (name, class) in
        [("leave", "SystemExit"), ("interrupt", "KeyboardInterrupt"), ("die", "WorkflowExecutionError"), ("fail", "ValueError")]
    {
        let run = run_of(&world, name);
        assert_eq!((&run["state"], &run["result"][0]), (&json!("failed"), &json!(class)), "{run}");
        assert!(run["result"][1].is_string() && run["result"].as_array().unwrap().len() == 2, "{run}");
        let good = run_of(&world, "noop");
        assert_eq!((&good["state"], &good["result"]), (&json!("finished"), &Json::Null), "{good}");
        Ask::new("DELETE", "/workflows/noop").send(&world.url);
    }
    // Results without a JSON form are kept as something that has one, and no list breaks.
    let object = run_of(&world, "ret_object");
    assert_eq!(object["state"], "finished", "{object}");
    assert!(object["result"].is_string() || object["result"].is_null(), "{object}");
    let big = run_of(&world, "ret_big_integer");
    assert_eq!(big["state"], "finished", "{big}");
    assert!(big["result"].is_string() || big["result"].is_number(), "{big}");
    let large = run_of(&world, "ret_large");
    assert_eq!(large["result"].as_str().map(str::len), Some(300_000));
    for (name, run) in [("ret_object", &object), ("ret_big_integer", &big), ("ret_large", &large)] {
        let list = get(&world, &format!("/workflows/{name}/run")).json();
        assert_eq!(list, json!([run]), "{name}");
        assert_eq!(&get(&world, &format!("/workflows/run/{}", run["uid"].as_str().unwrap())).json(), run);
    }
    assert_eq!(Ask::new("DELETE", &format!("/workflows/run/{}", large["name"].as_str().unwrap())).send(&world.url).status, 200);
    assert_eq!(get(&world, "/workflows/ret_large/run").json(), json!([]));

    // Missing input and unknown keys.
    assert_eq!(run_of(&world, "req")["result"][0], "ValueError");
    assert_eq!(send(&world, "POST", "/workflows/req/run", &json!({ "x": 1, "zz": 2 })).json()["result"], 1);

    // The status is there at once.
    let begun = Instant::now();
    for _ in 0..10 {
        assert_eq!(get(&world, "/status").status, 200);
    }
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());

    // Metrics do not grow with runs: no attribute names one.
    let metrics = get(&world, "/metrics").text();
    assert!(!metrics.contains("uid") && !metrics.contains(big["uid"].as_str().unwrap()), "{metrics}");
}

#[test]
fn runs_and_their_workflows_part() {
    let world = world();
    let body = workflow("slow", &[stage("flowdapt_probe_plugin.stages.sleepy")]);
    assert_eq!(send(&world, "POST", "/workflows/", &body).status, 200);
    // Without waiting the answer comes at once, pending.
    let run = send(&world, "POST", "/workflows/slow/run?wait=False", &json!({ "seconds": 1 })).json();
    assert_eq!((&run["state"], &run["result"], &run["finished_at"]), (&json!("pending"), &Json::Null, &Json::Null));
    // The workflow goes while it runs; the run ends all the same, and is found by uid and name.
    assert_eq!(Ask::new("DELETE", "/workflows/slow").send(&world.url).status, 200);
    let path = format!("/workflows/run/{}", run["name"].as_str().unwrap());
    let ended = until("the run's end", || Some(get(&world, &path).json()).filter(|run| run["state"] == "finished"));
    assert_eq!((&ended["result"], &ended["started_at"], &ended["uid"]), (&json!(1), &run["started_at"], &run["uid"]));
    get(&world, "/workflows/slow/run").refused(404, "Resource not found");
    // A workflow of that name takes its runs up again.
    assert_eq!(send(&world, "POST", "/workflows/", &body).status, 200);
    assert_eq!(get(&world, "/workflows/slow/run").json().as_array().map(Vec::len), Some(1));

    // A record that is removed under way does not come back.
    let run = send(&world, "POST", "/workflows/slow/run?wait=False", &json!({ "seconds": 1 })).json();
    let path = format!("/workflows/run/{}", run["uid"].as_str().unwrap());
    assert_eq!(Ask::new("DELETE", &path).send(&world.url).status, 200);
    std::thread::sleep(Duration::from_millis(1500));
    get(&world, &path).refused(404, "Resource not found");

    // Cancelled elsewhere: failed to those who know no other word.
    let run = send(&world, "POST", "/workflows/slow/run?wait=False", &json!({ "seconds": 60 })).json();
    let uid = run["uid"].as_str().unwrap();
    assert_eq!(Ask::new("POST", &format!("/api/v1/runs/{uid}/cancel")).send(&world.url).status, 200);
    let cancelled = get(&world, &format!("/workflows/run/{uid}")).json();
    assert_eq!(cancelled["state"], "failed", "{cancelled}");
    assert!(cancelled["result"][0].is_string() && cancelled["result"][1].is_string(), "{cancelled}");

    // While draining nothing starts; a page says so in JSON.
    assert_eq!(Ask::new("POST", "/drain").send(&world.url).json(), json!({ "draining": true }));
    send(&world, "POST", "/workflows/slow/run", &json!({})).refused(503, "Service is draining, no new workflow runs accepted");
    assert_eq!(Ask::new("DELETE", "/drain").send(&world.url).json(), json!({ "draining": false }));
}

#[test]
fn a_stop_leaves_no_run_running_and_loses_nothing() {
    let mut world = world();
    assert_eq!(
        send(&world, "POST", "/workflows/", &workflow("slow", &[stage("flowdapt_probe_plugin.stages.sleepy")])).status,
        200
    );
    let run = send(&world, "POST", "/workflows/slow/run?wait=False", &json!({ "seconds": 60 })).json();
    world.kill();
    world.start();
    let found = get(&world, &format!("/workflows/run/{}", run["uid"].as_str().unwrap())).json();
    assert_eq!(found["state"], "failed", "{found}");
    assert_eq!(found["result"][0], "WorkflowExecutionError", "{found}");
    assert!(found["result"][1].is_string() && found["finished_at"].is_string(), "{found}");
    assert_eq!(get(&world, "/workflows/slow").status, 200);
}

#[test]
fn of_two_writers_the_last_wins_whole() {
    let world = world();
    let config = |writer: usize, count: usize| {
        let data = json!({ "writer": writer, "twice": writer, "count": count });
        json!({ "metadata": { "name": "c", "annotations": { "writer": writer.to_string() } }, "spec": { "data": data } })
    };
    assert_eq!(send(&world, "POST", "/configs/", &config(0, 0)).status, 200);
    let world = &world;
    std::thread::scope(|scope| {
        for writer in 1..=4 {
            scope.spawn(move || {
                for count in 0..10 {
                    let answer = send(world, "PUT", "/configs/c", &config(writer, count));
                    assert_eq!(answer.status, 200, "{}", answer.text());
                    let mine = answer.json();
                    assert_eq!(
                        (&mine["spec"]["data"]["writer"], &mine["spec"]["data"]["count"]),
                        (&json!(writer), &json!(count))
                    );
                }
            });
        }
    });
    let last = get(world, "/configs/c").json();
    let data = &last["spec"]["data"];
    assert_eq!(data["writer"], data["twice"]);
    assert_eq!(last["metadata"]["annotations"]["writer"], data["writer"].to_string());
    assert_eq!(data["count"], 9);
    assert!(last["metadata"]["created_at"].as_str() < last["metadata"]["updated_at"].as_str(), "{last}");
}
