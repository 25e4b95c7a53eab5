//! Whether there are AWS credentials, looked for where boto3 looks on this machine: variables, then profiles. No value of one is kept,
//! shown or sent, and nobody is asked over a network: what only an instance's own address could tell is not found.

use std::path::{Path, PathBuf};

/// Where containers are told to fetch theirs.
const OF_CONTAINERS: [&str; 2] = ["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_CONTAINER_CREDENTIALS_FULL_URI"];
/// One of these makes a profile one that has credentials, or says how to get some.
const OF_PROFILES: [&str; 6] =
    ["aws_access_key_id", "credential_process", "role_arn", "sso_session", "sso_start_url", "login_session"];

/// Whether this process has AWS credentials, or a profile that says how to get some. Reads files: blocking.
#[must_use]
pub fn has_aws_credentials() -> bool {
    let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    are_there(&variable, &|path: &Path| std::fs::read_to_string(path).ok())
}

fn are_there(variable: &dyn Fn(&str) -> Option<String>, read: &dyn Fn(&Path) -> Option<String>) -> bool {
    let has = |name: &str| variable(name).is_some();
    if has("AWS_ACCESS_KEY_ID") && has("AWS_SECRET_ACCESS_KEY")
        || has("AWS_WEB_IDENTITY_TOKEN_FILE") && has("AWS_ROLE_ARN")
        || OF_CONTAINERS.into_iter().any(has)
    {
        return true;
    }
    let file = |name: &str, usual: &str| {
        variable(name).map(PathBuf::from).or_else(|| Some(Path::new(&variable("HOME")?).join(usual))).and_then(|path| read(&path))
    };
    let profile = variable("AWS_PROFILE").or_else(|| variable("AWS_DEFAULT_PROFILE")).unwrap_or_else(|| "default".to_owned());
    let in_credentials = file("AWS_SHARED_CREDENTIALS_FILE", ".aws/credentials")
        .is_some_and(|text| has_credentials(&text, |section| section == profile));
    let in_settings = || {
        file("AWS_CONFIG_FILE", ".aws/config").is_some_and(|text| {
            has_credentials(&text, |section| {
                section.strip_prefix("profile ").is_some_and(|name| name.trim() == profile)
                    || (section == "default" && section == profile)
            })
        })
    };
    in_credentials || in_settings()
}

/// Whether a section that counts has one of the keys.
fn has_credentials(text: &str, counts: impl Fn(&str) -> bool) -> bool {
    let mut is_inside = false;
    for line in text.lines().map(str::trim) {
        if let Some(section) = line.strip_prefix('[').and_then(|line| line.split(']').next()) {
            is_inside = counts(section.trim());
        } else if is_inside && let Some((key, value)) = line.split_once('=') {
            let key = key.trim().to_ascii_lowercase();
            if OF_PROFILES.contains(&key.as_str()) && !value.trim().is_empty() {
                return true;
            }
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(variables: &[(&str, &str)], files: &[(&str, &str)]) -> bool {
        let variable = |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
        let read = |path: &Path| files.iter().find(|(known, _)| Path::new(known) == path).map(|(_, text)| (*text).to_owned());
        are_there(&variable, &read)
    }

    #[test]
    fn variables_count_when_they_are_whole() {
        assert!(found(&[("AWS_ACCESS_KEY_ID", "a"), ("AWS_SECRET_ACCESS_KEY", "b")], &[]));
        assert!(!found(&[("AWS_ACCESS_KEY_ID", "a")], &[]));
        assert!(found(&[("AWS_WEB_IDENTITY_TOKEN_FILE", "/t"), ("AWS_ROLE_ARN", "r")], &[]));
        assert!(found(&[("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://x")], &[]));
        assert!(!found(&[("AWS_REGION", "eu-west-1")], &[]));
    }

    #[test]
    fn a_profile_counts_when_it_is_the_chosen_one() {
        let home = ("HOME", "/h");
        let keys = "[other]\naws_access_key_id = a\n[default]\n# aws_access_key_id = a\naws_access_key_id=\n";
        let credentials = [("/h/.aws/credentials", keys)];
        assert!(!found(&[home], &credentials), "the default one has none");
        assert!(found(&[home, ("AWS_PROFILE", "other")], &credentials));
        assert!(!found(&[("AWS_PROFILE", "other")], &credentials), "nobody's home");
        assert!(found(&[("AWS_SHARED_CREDENTIALS_FILE", "/x"), ("AWS_PROFILE", "other")], &[("/x", keys)]));

        let settings = [("/h/.aws/config", "[default]\nregion = eu-west-1\n[profile work]\nsso_session = w\n[sso-session w]\n")];
        assert!(!found(&[home], &settings));
        assert!(found(&[home, ("AWS_PROFILE", "work")], &settings));
        assert!(!found(&[home, ("AWS_PROFILE", "w")], &settings));
        assert!(found(&[home], &[("/h/.aws/config", "[default]\ncredential_process = /bin/p\n")]));
    }
}
