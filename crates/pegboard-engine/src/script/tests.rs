//! Keys, variables and folders of scripts.

use super::folder::is_key;
use super::*;

#[test]
fn keys_are_safe_as_names_of_folders() {
    for good in ["64e5f00d0000000000000001", "a-b"] {
        assert!(is_key(good));
    }
    for bad in ["", ".", "..", "a/b", "a.b", "ü", &"x".repeat(65)] {
        assert!(!is_key(bad), "{bad}");
    }
}

#[test]
fn variables_that_no_process_can_have_are_left_out() {
    let given = [("A", "1"), ("", "2"), ("B=C", "3"), ("D", "4\0"), ("A", "5")];
    let kept = clean(given.map(|(name, value)| (name.to_owned(), value.to_owned())).into());
    assert_eq!(kept.into_iter().collect::<Vec<_>>(), [("A".to_owned(), "5".to_owned())]);
}

#[tokio::test]
async fn a_script_is_kept_whole_or_refused() {
    let place = tempfile::tempdir().unwrap();
    let folder = Folder::new(place.path().join("k"));
    assert_eq!(folder.read().await.unwrap(), None);
    let script = |name: &str| Script { file_name: name.into(), text: "print(1)".into(), requirements: "numpy".into() };
    for bad in ["../x.py", ".x.py", "x.sh", "a/b.py", ""] {
        assert_eq!(folder.write(&script(bad)).await.unwrap_err().code, "script-invalid", "{bad}");
    }
    folder.write(&script("one.py")).await.unwrap();
    folder.write(&script("two.py")).await.unwrap();
    assert_eq!(folder.read().await.unwrap(), Some(script("two.py")));
    assert_eq!(std::fs::read_dir(folder.path.join("code")).unwrap().count(), 1);
    assert!(folder.remove().await.unwrap());
    assert!(!folder.remove().await.unwrap());
}
