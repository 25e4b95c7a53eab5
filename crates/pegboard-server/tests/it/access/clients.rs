//! The real clients against a server that answers only those whom it knows.

use std::path::Path;
use std::process::Command;

use crate::support::{World, end};

/// A server at all addresses, a member's key, and what the command line needs no key for.
fn open_world() -> (World, String) {
    let mut world = World::unstarted();
    world.start_at("0.0.0.0:0", &[]);
    world.url = world.url.replace("0.0.0.0", "127.0.0.1");
    let data = world.data();
    let own = |arguments: &[&str]| end(world.command(arguments).env("PEGBOARD__SERVER__DATA", &data)).well();
    own(&["user", "add", "ann@example.org"]);
    let key = own(&["key", "create", "--user", "ann@example.org"]).stdout.trim().to_owned();
    (world, key)
}

#[track_caller]
fn run(command: &mut Command) -> (bool, String) {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?} does not start: {error}"));
    let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    (output.status.success(), text)
}

#[expect(clippy::disallowed_methods, reason = "a test drives the clients as a user would")]
fn program(path: &Path) -> Command {
    Command::new(path)
}

#[test]
fn flowctl_and_the_sdk_of_flowdapt_send_a_key_in_the_address() {
    let (world, key) = open_world();
    let programs = crate::flowdapt::clients::programs();
    let flowctl = |url: &str| {
        run(program(&programs.join("flowctl"))
            .args(["get", "workflows"])
            .current_dir(world.folder.path())
            .env("HOME", world.folder.path())
            .env("FLOWCTL__SERVER", url)
            .env("NO_COLOR", "1"))
    };
    let (_, said) = flowctl(&world.url);
    assert!(said.contains("only those whom it knows"), "{said}");
    let (well, said) = flowctl(&world.url.replace("http://", &format!("http://key:{key}@")));
    assert!(well && !said.contains("only those whom it knows"), "{said}");
    let script = r#"
import asyncio, sys
from flowdapt_sdk import FlowdaptSDK
async def main() -> None:
    async with FlowdaptSDK(base_url=sys.argv[1]) as sdk:
        print("found", len(await sdk.workflows.list_workflows()))
asyncio.run(main())
"#;
    let file = world.file("sdk.py", script);
    let url = world.url.replace("http://", &format!("http://key:{key}@"));
    let (well, said) = run(program(&programs.join("python")).args([&file, &url]));
    assert!(well && said.contains("found 0"), "{said}");
}

#[test]
fn the_sdk_of_ango_sends_its_key_as_ever() {
    let (world, key) = open_world();
    let script = r#"
import sys
from imerit_ango.sdk import SDK
sdk = SDK(api_key=sys.argv[2], host=sys.argv[1])
try:
    print(sdk.list_projects())
except Exception as error:
    print("refused", error)
"#;
    let file = world.file("ango.py", script);
    let python = crate::hub::clients::python(crate::hub::clients::NEWEST);
    let (_, said) = run(program(&python).args([&file, &world.url, &"wrong".to_owned()]));
    assert!(said.contains("Invalid API KEY"), "{said}");
    let (well, said) = run(program(&python).args([&file, &world.url, &key]));
    assert!(well && said.contains("'projects': []"), "{said}");
}
