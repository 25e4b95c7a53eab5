//! Passwords, sessions, links, cookies, keys.

use std::time::Duration;

use pegboard_model::{LinkPurpose, OneTimeLink, OrganizationRole, Timestamp};
use serde_json::{Value as Json, json};

use super::world::Door;

const PASSWORD: &str = "a sentence of my own";

#[tokio::test(flavor = "multi_thread")]
async fn a_link_is_good_once_and_signs_in() {
    let door = Door::new().await;
    let admin = door.key(OrganizationRole::Admin).await;
    let made =
        door.by_key(&admin, "POST", "/api/v1/users", json!({ "email": "ann@example.org", "role": "viewer" })).await.is(200);
    let link = made.body["link"].as_str().unwrap();
    assert!(link.starts_with("http://localhost/ui/link/"), "{link}");
    let path = format!("/api/v1/links/{}", link.rsplit('/').next().unwrap());
    let about = door.ask("GET", &path, &[], Json::Null).await.is(200).body;
    assert_eq!((&about["email"], &about["purpose"]), (&json!("ann@example.org"), &json!("invitation")));
    door.ask("POST", &path, &[], json!({ "password": "short" })).await.refuses(400, "password");
    let begun = door.ask("POST", &path, &[("x-forwarded-proto", "https")], json!({ "password": PASSWORD })).await.is(200);
    let set = begun.headers["set-cookie"].to_str().unwrap();
    for flag in ["pegboard_session=", "; HttpOnly", "; SameSite=Lax", "; Path=/", "; Secure", "; Max-Age=2592000"] {
        assert!(set.contains(flag), "{flag} in {set}");
    }
    door.ask("POST", &path, &[], json!({ "password": PASSWORD })).await.refuses(404, "link-not-found");
    door.ask("GET", &path, &[], Json::Null).await.refuses(404, "link-not-found");
    let cookie = begun.cookie();
    let session = door.ask("GET", "/api/v1/session", &[("cookie", &cookie)], Json::Null).await.is(200).body;
    assert_eq!((&session["how"], &session["role"]), (&json!("session"), &json!("viewer")));
    assert_eq!(session["user"]["email"], "ann@example.org");
    // Plain HTTP: a browser would not send a secure cookie back.
    let plain = door.sign_in("ann@example.org", PASSWORD, "192.0.2.1").await.is(200);
    assert!(!plain.headers["set-cookie"].to_str().unwrap().contains("Secure"));
    // The newest link alone is good, and the password stays until it is used.
    let first = door.by_key(&admin, "POST", "/api/v1/users/ann@example.org/link", Json::Null).await.is(200).body;
    let second = door.by_key(&admin, "POST", "/api/v1/users/ann@example.org/link", Json::Null).await.is(200).body;
    let token = |made: &Json| format!("/api/v1/links/{}", made["link"].as_str().unwrap().rsplit('/').next().unwrap());
    door.ask("GET", &token(&first), &[], Json::Null).await.refuses(404, "link-not-found");
    assert_eq!(door.ask("GET", &token(&second), &[], Json::Null).await.is(200).body["purpose"], "reset");
    door.ask("POST", &token(&second), &[], json!({ "password": "another sentence" })).await.is(200);
    door.ask("GET", "/api/v1/runs", &[("cookie", &cookie)], Json::Null).await.refuses(401, "sign-in-needed");
    door.sign_in("ann@example.org", PASSWORD, "192.0.2.1").await.refuses(401, "wrong-password");
    door.sign_in("ann@example.org", "another sentence", "192.0.2.1").await.is(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn links_and_sessions_that_are_over_are_told_in_a_page_that_says_the_way_on() {
    let door = Door::new().await;
    let admin = door.key(OrganizationRole::Admin).await;
    let page =
        async |path: &str, cookie: &str| door.ask("GET", path, &[("accept", "text/html"), ("cookie", cookie)], Json::Null).await;
    let made = door.by_key(&admin, "POST", "/api/v1/users", json!({ "email": "ann@example.org" })).await.is(200).body;
    let token = made["link"].as_str().unwrap().rsplit('/').next().unwrap();
    let path = format!("/ui/link/{token}");
    let good = page(&path, "").await.is(200).body;
    assert!(good.as_str().unwrap().contains("Choose a password") && good.as_str().unwrap().contains("ann@example.org"), "{good}");
    let refused = async |path: &str, why: &str| {
        let answer = page(path, "").await.is(404);
        let text = answer.body.as_str().unwrap();
        for said in ["<h1>", "This link is not good: it was used, it is over, or it never was", "pegboard user link EMAIL"] {
            assert!(text.contains(said), "{why}: {said} in {text}");
        }
        assert!(!text.contains("name=\"password\""), "{why}: {text}");
    };
    refused("/ui/link/nonsense", "there never was one").await;
    let password = json!({ "password": PASSWORD });
    let begun = door.ask("POST", &format!("/api/v1/links/{token}"), &[], password).await.is(200);
    refused(&path, "it was used").await;
    // One that nobody used in time.
    let ann = door.api.labelling.user_called("ann@example.org").await.unwrap().unwrap();
    let over = OneTimeLink {
        hash: blake3::hash(b"over").to_hex().to_string(),
        user: ann.id,
        purpose: LinkPurpose::Reset,
        created_at: Timestamp(0),
        expires_at: Timestamp(1),
    };
    door.api.store.create_link(&over).await.unwrap();
    refused("/ui/link/over", "it is over").await;
    door.ask("POST", "/api/v1/links/over", &[], json!({ "password": PASSWORD })).await.refuses(404, "link-not-found");

    // A session that is over: to the sign-in, and from there back to where one was.
    let cookie = begun.cookie();
    let place = "/ui/runs?state=failed&workflow=a%20b";
    page(place, &cookie).await.is(200);
    let own = [("cookie", cookie.as_str()), ("x-csrf-token", &begun.csrf_token())];
    door.ask("DELETE", "/api/v1/session", &own, Json::Null).await.is(200);
    let sent = page(place, &cookie).await.is(303);
    let to = sent.headers["location"].to_str().unwrap();
    assert_eq!(to, "/ui/sign-in?next=%2Fui%2Fruns%3Fstate%3Dfailed%26workflow%3Da%2520b");
    let form = page(to, &cookie).await.is(200).body;
    assert!(form.as_str().unwrap().contains("data-then=\"/ui/runs?state=failed&amp;workflow=a%20b\""), "{form}");
    // Nowhere else.
    for next in ["https://evil.example/", "//evil.example/", "javascript:alert(1)"] {
        let form = page(&format!("/ui/sign-in?next={next}"), "").await.is(200).body;
        assert!(form.as_str().unwrap().contains("data-then=\"/ui/\""), "{next}: {form}");
    }
    // What a page's script asks is refused in words that the script knows.
    door.ask("GET", "/api/v1/news", &[("cookie", &cookie)], Json::Null).await.refuses(401, "sign-in-needed");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_over_is_over() {
    let door = Door { api: crate::api::Api::with(&[super::world::SETTINGS[0], ("server.session_lifetime", "1s")]).await };
    let admin = door.key(OrganizationRole::Admin).await;
    let begun = door.signed_up(&admin, "ann@example.org", "member", PASSWORD).await;
    let cookie = begun.cookie();
    door.ask("GET", "/api/v1/sessions", &[("cookie", &cookie)], Json::Null).await.is(200);
    // Who was found is remembered for some seconds.
    tokio::time::sleep(Duration::from_secs(7)).await;
    door.ask("GET", "/api/v1/sessions", &[("cookie", &cookie)], Json::Null).await.refuses(401, "sign-in-needed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cookie_alone_changes_nothing() {
    let door = Door::new().await;
    let admin = door.key(OrganizationRole::Admin).await;
    let begun = door.signed_up(&admin, "ann@example.org", "member", PASSWORD).await;
    let (cookie, token) = (begun.cookie(), begun.csrf_token());
    let cookie = ("cookie", cookie.as_str());
    let change = |headers: Vec<(&'static str, String)>| {
        let door = &door;
        async move {
            let mut all = vec![cookie];
            all.extend(headers.iter().map(|(name, value)| (*name, value.as_str())));
            door.ask("POST", "/api/v1/projects", &all, json!({ "name": "p" })).await
        }
    };
    let own = |name: &str, value: &str| (if name == "origin" { "origin" } else { "sec-fetch-site" }, value.to_owned());
    change(vec![]).await.refuses(403, "csrf-token");
    change(vec![("x-csrf-token", "wrong".to_owned())]).await.refuses(403, "csrf-token");
    change(vec![("x-csrf-token", String::new())]).await.refuses(403, "csrf-token");
    change(vec![("x-csrf-token", "wrong".to_owned()), own("site", "same-origin")]).await.refuses(403, "csrf-token");
    change(vec![own("site", "same-site")]).await.refuses(403, "csrf-token");
    change(vec![own("site", "cross-site")]).await.refuses(403, "csrf-token");
    for origin in ["http://evil.example", "http://localhost:3000", "null"] {
        change(vec![("x-csrf-token", token.clone()), own("origin", origin)]).await.refuses(403, "forbidden-origin");
    }
    change(vec![("x-csrf-token", token.clone())]).await.is(200);
    change(vec![("x-csrf-token", token.clone()), own("origin", "http://localhost")]).await.is(200);
    change(vec![own("site", "same-origin")]).await.is(200);
    change(vec![own("origin", "http://localhost")]).await.is(200);
    // A form has the token in a field.
    let form = |field: String| {
        let door = &door;
        async move {
            let headers = [cookie, ("content-type", "application/x-www-form-urlencoded")];
            door.ask("DELETE", "/api/v1/sessions/64e5b8f1a2c3d4e5f6012345", &headers, Json::String(field)).await
        }
    };
    form("a=b".to_owned()).await.refuses(403, "csrf-token");
    form("csrf_token=wrong".to_owned()).await.refuses(403, "csrf-token");
    form(format!("a=b&csrf_token={token}")).await.refuses(404, "sign-in-not-found");
    // Another's token is no token.
    let other = door.signed_up(&admin, "bob@example.org", "member", PASSWORD).await.csrf_token();
    change(vec![("x-csrf-token", other)]).await.refuses(403, "csrf-token");
    // A page elsewhere reads nothing by the cookie either, and keys need no token.
    let foreign = [cookie, ("origin", "http://localhost:3000")];
    door.ask("GET", "/api/v1/projects", &foreign, Json::Null).await.refuses(401, "sign-in-needed");
    door.by_key(&admin, "POST", "/api/v1/projects", json!({ "name": "p" })).await.is(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_are_ended_one_by_one_and_all_together() {
    let door = Door::new().await;
    let admin = door.key(OrganizationRole::Admin).await;
    let one = door.signed_up(&admin, "ann@example.org", "member", PASSWORD).await;
    let two = door.sign_in("ann@example.org", PASSWORD, "192.0.2.2").await.is(200);
    let three = door.sign_in("ann@example.org", PASSWORD, "192.0.2.3").await.is(200);
    let (cookie, token) = (two.cookie(), two.csrf_token());
    let headers = [("cookie", cookie.as_str()), ("x-csrf-token", token.as_str())];
    let list = door.ask("GET", "/api/v1/sessions", &headers, Json::Null).await.is(200).body;
    let sessions = list["sessions"].as_array().unwrap();
    assert_eq!(sessions.len(), 3);
    assert_eq!(sessions.iter().filter(|session| session["current"] == true).count(), 1);
    let third = sessions.iter().find(|session| session["address"] == "192.0.2.3").unwrap()["id"].as_str().unwrap();
    let works = |cookie: String| {
        let door = &door;
        async move { door.ask("GET", "/api/v1/sessions", &[("cookie", &cookie)], Json::Null).await.status }
    };
    assert_eq!(works(three.cookie()).await, 200);
    door.ask("DELETE", &format!("/api/v1/sessions/{third}"), &headers, Json::Null).await.is(200);
    assert_eq!((works(three.cookie()).await, works(one.cookie()).await), (401, 200));
    let out = door.ask("DELETE", "/api/v1/session", &headers, Json::Null).await.is(200);
    assert!(out.headers["set-cookie"].to_str().unwrap().contains("Max-Age=0"));
    assert_eq!((works(two.cookie()).await, works(one.cookie()).await), (401, 200));
    // Another password ends the others.
    let four = door.sign_in("ann@example.org", PASSWORD, "192.0.2.4").await.is(200);
    let (cookie, token) = (four.cookie(), four.csrf_token());
    let headers = [("cookie", cookie.as_str()), ("x-csrf-token", token.as_str())];
    let change = |old: &str| json!({ "old": old, "new": "another sentence" });
    door.ask("PUT", "/api/v1/session/password", &headers, change("wrong")).await.refuses(401, "wrong-password");
    let five = door.ask("PUT", "/api/v1/session/password", &headers, change(PASSWORD)).await.is(200);
    assert_eq!((works(one.cookie()).await, works(four.cookie()).await, works(five.cookie()).await), (401, 401, 200));
    let (cookie, token) = (five.cookie(), five.csrf_token());
    let headers = [("cookie", cookie.as_str()), ("x-csrf-token", token.as_str())];
    assert_eq!(door.ask("DELETE", "/api/v1/sessions", &headers, Json::Null).await.is(200).body["ended"], 1);
    assert_eq!(works(five.cookie()).await, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_closes_after_ten_wrong_passwords_whether_it_exists_or_not() {
    let door = Door::new().await;
    let admin = door.key(OrganizationRole::Admin).await;
    door.signed_up(&admin, "ann@example.org", "member", PASSWORD).await;
    let mut answers = Vec::new();
    for email in ["ann@example.org", "nobody@example.org"] {
        let mut said = Vec::new();
        for number in 0..10 {
            let wrong = door.sign_in(email, "a wrong sentence", &format!("198.51.100.{number}")).await;
            wrong.refuses(401, "wrong-password");
            said.push(wrong.body.to_string());
        }
        let closed = door.sign_in(email, PASSWORD, "198.51.100.99").await;
        closed.refuses(429, "account-locked");
        let wait: u64 = closed.headers["retry-after"].to_str().unwrap().parse().unwrap();
        assert!((880..=901).contains(&wait), "{wait}");
        said.push(closed.body.to_string().replace(email, "X"));
        answers.push(said);
    }
    assert_eq!(answers[0], answers[1], "the same words for an account that is not there");
    let audit = door.by_key(&admin, "GET", "/api/v1/audit", Json::Null).await.is(200).body;
    let failed = audit["entries"].as_array().unwrap().iter().filter(|entry| entry["action"] == "sign-in-failed");
    assert!(failed.filter(|entry| entry["who"] == "nobody@example.org").count() >= 10, "{audit}");
    // A link opens it again.
    let made = door.by_key(&admin, "POST", "/api/v1/users/ann@example.org/link", Json::Null).await.is(200).body;
    let token = made["link"].as_str().unwrap().rsplit('/').next().unwrap().to_owned();
    door.ask("POST", &format!("/api/v1/links/{token}"), &[], json!({ "password": PASSWORD })).await.is(200);
    door.sign_in("ann@example.org", PASSWORD, "198.51.100.98").await.is(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_tries_often_waits() {
    let door = Door::new().await;
    let mut statuses = Vec::new();
    for number in 0..25 {
        let answer = door.ask("GET", &format!("/api/v1/links/{number}"), &[("x-forwarded-for", "203.0.113.7")], Json::Null).await;
        if answer.status == 429 {
            answer.refuses(429, "too-many-tries");
            assert!(answer.headers.contains_key("retry-after"));
        }
        statuses.push(answer.status);
    }
    assert!(statuses[..20].iter().all(|status| *status == 404) && statuses[24] == 429, "{statuses:?}");
    door.ask("GET", "/api/v1/links/x", &[("x-forwarded-for", "203.0.113.8")], Json::Null).await.is(404);
    // Only what the trusted proxy itself adds counts: the last address that is not its own.
    let forged = [("x-forwarded-for", "203.0.113.9, 203.0.113.7, 127.0.0.1")];
    door.ask("GET", "/api/v1/links/x", &forged, Json::Null).await.refuses(429, "too-many-tries");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_admin_stays_and_roles_change_at_once() {
    let door = Door::new().await;
    let first = door.admin().await;
    let key = door.key_of(&first, None).await;
    let path = |email: &str| format!("/api/v1/users/{email}");
    door.by_key(&key, "PATCH", &path(&first.email), json!({ "role": "member" })).await.refuses(409, "last-admin");
    door.by_key(&key, "DELETE", &path(&first.email), Json::Null).await.refuses(409, "last-admin");
    door.by_key(&key, "POST", "/api/v1/users", json!({ "email": "ann@example.org", "role": "boss" }))
        .await
        .refuses(400, "role-unknown");
    door.by_key(&key, "POST", "/api/v1/users", json!({ "email": "ann@example.org", "role": "admin" })).await.is(200);
    door.by_key(&key, "POST", "/api/v1/users", json!({ "email": "ann@example.org" })).await.refuses(409, "user-exists");
    let organization = first.organization;
    let ann = door.api.labelling.user_of(organization, "ann@example.org").await.unwrap();
    let anns = door.key_of(&ann, None).await;
    door.by_key(&anns, "GET", "/api/v1/users", Json::Null).await.is(200);
    door.by_key(&key, "PATCH", &path("ann@example.org"), json!({ "role": "viewer" })).await.is(200);
    door.by_key(&anns, "GET", "/api/v1/users", Json::Null).await.refuses(403, "role-too-low");
    door.by_key(&anns, "GET", "/api/v1/runs", Json::Null).await.is(200);
    door.by_key(&key, "DELETE", &path("ann@example.org"), Json::Null).await.is(200);
    door.by_key(&anns, "GET", "/api/v1/runs", Json::Null).await.refuses(401, "invalid-api-key");
    door.by_key(&key, "DELETE", &path("ann@example.org"), Json::Null).await.refuses(404, "user-not-found");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_no_more_than_its_user_and_no_more_than_itself() {
    let door = Door::new().await;
    let (admin, member) = (door.key(OrganizationRole::Admin).await, door.key(OrganizationRole::Member).await);
    let new = |role: &str| json!({ "name": "k", "role": role, "lifetime_seconds": 3600 });
    door.by_key(&member, "POST", "/api/v1/keys", new("admin")).await.refuses(403, "role-too-low");
    door.by_key(&member, "POST", "/api/v1/keys", json!({ "user": "admin@pegboard.local" })).await.refuses(403, "role-too-low");
    let made = door.by_key(&member, "POST", "/api/v1/keys", new("viewer")).await.is(200).body;
    let viewing = made["key"].as_str().unwrap();
    door.by_key(viewing, "GET", "/api/v1/runs", Json::Null).await.is(200);
    door.by_key(viewing, "POST", "/api/v1/projects", json!({ "name": "p" })).await.refuses(403, "role-too-low");
    // A key of little power makes none of more.
    door.by_key(viewing, "POST", "/api/v1/keys", new("member")).await.refuses(403, "role-too-low");
    let again = door.by_key(viewing, "POST", "/api/v1/keys", json!({})).await.is(200).body;
    assert_eq!(again["role"], "viewer");
    // Members see and end their own only.
    let keys = |list: &Json| list["keys"].as_array().unwrap().len();
    let own = door.by_key(&member, "GET", "/api/v1/keys", Json::Null).await.is(200).body;
    assert_eq!(keys(&own), 3);
    assert!(own["keys"].as_array().unwrap().iter().all(|key| key.get("key").is_none()));
    let all = door.by_key(&admin, "GET", "/api/v1/keys", Json::Null).await.is(200).body;
    assert_eq!(keys(&all), 4);
    let of_admin = all["keys"].as_array().unwrap().iter().find(|key| key["user"].as_str().unwrap().starts_with("admin")).unwrap();
    let path = format!("/api/v1/keys/{}", of_admin["id"].as_str().unwrap());
    door.by_key(&member, "DELETE", &path, Json::Null).await.refuses(404, "key-not-found");
    let path = format!("/api/v1/keys/{}", made["id"].as_str().unwrap());
    door.by_key(&member, "DELETE", &path, Json::Null).await.is(200);
    door.by_key(viewing, "GET", "/api/v1/runs", Json::Null).await.refuses(401, "invalid-api-key");
    // For one project, nothing else.
    let project = door.by_key(&admin, "POST", "/api/v1/projects", json!({ "name": "one" })).await.is(200).body;
    let other = door.by_key(&admin, "POST", "/api/v1/projects", json!({ "name": "two" })).await.is(200).body;
    let id = project["id"].as_str().unwrap();
    let made = door.by_key(&member, "POST", "/api/v1/keys", json!({ "project": id })).await.is(200).body;
    let narrow = made["key"].as_str().unwrap();
    door.by_key(narrow, "GET", &format!("/api/v1/projects/{id}"), Json::Null).await.is(200);
    let elsewhere = format!("/api/v1/projects/{}", other["id"].as_str().unwrap());
    for path in [elsewhere.as_str(), "/api/v1/projects", "/api/v1/runs", "/api/v1/keys"] {
        door.by_key(narrow, "GET", path, Json::Null).await.refuses(403, "key-for-another-project");
    }
    // When it was used is told, a little later.
    for _ in 0..100 {
        let all = door.by_key(&admin, "GET", "/api/v1/keys", Json::Null).await.is(200).body;
        let one = all["keys"].as_array().unwrap().iter().find(|key| key["id"] == made["id"]).unwrap();
        if one["last_used_at"].is_string() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("the key's use is not noted");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_record_says_who_did_what() {
    let door = Door::new().await;
    let (admin, member) = (door.key(OrganizationRole::Admin).await, door.key(OrganizationRole::Member).await);
    for name in ["one", "two", "three"] {
        door.by_key(&member, "POST", "/api/v1/projects", json!({ "name": name })).await.is(200);
    }
    door.by_key(&member, "POST", "/api/v1/projects", json!({ "name": "" })).await.refuses(400, "project-name");
    door.by_key(&member, "DELETE", "/api/v1/projects/two", Json::Null).await.is(200);
    let entries = async |query: &str| {
        let list = door.by_key(&admin, "GET", &format!("/api/v1/audit{query}"), Json::Null).await.is(200).body;
        (list["entries"].as_array().unwrap().clone(), list["next"].as_u64())
    };
    let mut all = Vec::new();
    for _ in 0..100 {
        all = entries("").await.0;
        if all.len() == 4 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(all.len(), 4, "no refusals and no reading: {all:?}");
    let deleted = all.iter().find(|entry| entry["action"] == "DELETE /api/v1/projects/{id}").unwrap();
    assert_eq!(
        (&deleted["subject"], &deleted["how"], &deleted["address"]),
        (&json!("/api/v1/projects/two"), &json!("key"), &json!("127.0.0.1"))
    );
    assert!(deleted["who"].as_str().unwrap().starts_with("member-") && deleted["key"].is_string());
    assert!(all.windows(2).all(|pair| pair[0]["sequence"].as_u64() > pair[1]["sequence"].as_u64()), "newest first");
    let (page, next) = entries("?limit=3").await;
    assert_eq!(page.as_slice(), &all[..3]);
    let (rest, end) = entries(&format!("?limit=3&after={}", next.unwrap())).await;
    assert_eq!((rest.as_slice(), end), (&all[3..], None));
    let (new, _) = entries(&format!("?since={}", all[1]["sequence"])).await;
    assert_eq!(new.as_slice(), &all[..1]);
}
