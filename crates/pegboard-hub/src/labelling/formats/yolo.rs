//! YOLO: a list of classes, and a text per picture with a line per object: `class x y width height`, the middle and the size as
//! parts of the picture's, or `class x y x y …`, corners.

use std::fmt::Write as _;

use pegboard_model::Error;

use super::{Dataset, Labelled, Picture, Shape};

/// Reads the classes of `data.yaml` (`names:` as a list or by number) or of `classes.txt` (one a line).
///
/// # Errors
/// `yolo` when there are none.
pub fn read_classes(text: &str) -> Result<Vec<String>, Error> {
    let wrong = |why: &str| {
        Error::invalid("yolo", format!("the classes cannot be read: {why}")).hint("give `data.yaml` or `classes.txt`")
    };
    let plain = |text: &str| text.trim().trim_matches(['"', '\'']).to_owned();
    let Some(start) = text.lines().position(|line| line.trim_start().starts_with("names:")) else {
        let classes: Vec<String> = text.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect();
        return if classes.is_empty() { Err(wrong("there are none")) } else { Ok(classes) };
    };
    let mut lines = text.lines().skip(start);
    let rest = lines.next().and_then(|line| line.split_once(':')).map_or("", |(_, rest)| rest.trim());
    let mut numbered: Vec<(usize, String)> = Vec::new();
    if let Some(list) = rest.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        numbered.extend(list.split(',').map(plain).enumerate());
    } else {
        for line in lines {
            let line = line.split(" #").next().unwrap_or(line);
            if line.trim().is_empty() {
                continue;
            }
            if !line.starts_with([' ', '-']) {
                break;
            }
            let line = line.trim();
            if let Some(name) = line.strip_prefix('-') {
                numbered.push((numbered.len(), plain(name)));
            } else if let Some((number, name)) = line.split_once(':') {
                let number = plain(number).parse().map_err(|_| wrong(&format!("`{line}` has no number")))?;
                numbered.push((number, plain(name)));
            } else {
                return Err(wrong(&format!("`{line}` is neither `- name` nor `number: name`")));
            }
        }
    }
    numbered.sort();
    if numbered.is_empty() || numbered.iter().enumerate().any(|(at, (number, _))| at != *number) {
        return Err(wrong("they are not numbered from 0 without gaps"));
    }
    Ok(numbered.into_iter().map(|(_, name)| name).collect())
}

/// Reads the text of one picture.
///
/// # Errors
/// `yolo` names file and line.
pub fn read_picture(file: &str, width: u64, height: u64, text: &str, classes: &[String]) -> Result<Picture, Error> {
    let mut objects = Vec::new();
    for (at, line) in text.lines().enumerate() {
        if line.trim().is_empty() {
            continue;
        }
        let wrong = |why: &str| {
            Error::invalid("yolo", format!("line {} of the labels of `{file}` cannot be read: {why}", at + 1))
                .hint("write `class x y width height` or `class x y x y x y …`, with numbers from 0 to 1")
        };
        let mut words = line.split_whitespace();
        let class = words.next().and_then(|word| word.parse::<usize>().ok()).ok_or_else(|| wrong("it begins with no class"))?;
        let class = classes.get(class).ok_or_else(|| wrong(&format!("there is no class {class}")))?;
        let numbers: Vec<f64> =
            words.map(str::parse).collect::<Result<_, _>>().map_err(|_| wrong("it holds something that is no number"))?;
        if numbers.iter().any(|number| !(-0.001..=1.001).contains(number)) {
            return Err(wrong("a number is not between 0 and 1"));
        }
        if width == 0 || height == 0 {
            return Err(wrong("the picture's size is not known"));
        }
        // Sizes of pictures are far below what a float holds exactly.
        let (across, down) = (width as f64, height as f64);
        let shape = match numbers[..] {
            [x, y, w, h] => Shape::Box([(x - w / 2.0) * across, (y - h / 2.0) * down, w * across, h * down].map(tidy)),
            _ if numbers.len() >= 6 && numbers.len().is_multiple_of(2) => {
                Shape::Polygon(numbers.chunks_exact(2).map(|pair| [tidy(pair[0] * across), tidy(pair[1] * down)]).collect())
            }
            _ => return Err(wrong("it has neither four numbers nor three corners or more")),
        };
        objects.push(Labelled { class: class.clone(), shape });
    }
    Ok(Picture { file: file.to_owned(), width, height, objects })
}

/// A thousandth of a pixel: what is closer to a round number is that number.
fn tidy(value: f64) -> f64 {
    (value * 1000.0).round() / 1000.0
}

/// The text of `data.yaml`.
#[must_use]
pub fn write_classes(dataset: &Dataset) -> String {
    let mut text = String::from("path: .\ntrain: images\nval: images\nnames:\n");
    for (at, class) in dataset.classes.iter().enumerate() {
        let _ = writeln!(text, "  {at}: \"{}\"", class.replace('"', "'"));
    }
    text
}

/// The text of one picture, and how many of its objects the format cannot say. None when its size is not known and it has objects.
#[must_use]
pub fn write_picture(dataset: &Dataset, picture: &Picture) -> Option<(String, usize)> {
    let (mut text, mut left_out) = (String::new(), 0);
    if picture.objects.is_empty() {
        return Some((text, 0));
    }
    if picture.width == 0 || picture.height == 0 {
        return None;
    }
    let (across, down) = (picture.width as f64, picture.height as f64);
    for object in &picture.objects {
        let Some(class) = dataset.classes.iter().position(|class| *class == object.class) else {
            left_out += 1;
            continue;
        };
        let numbers: Vec<f64> = match &object.shape {
            Shape::Box([x, y, w, h]) => vec![(x + w / 2.0) / across, (y + h / 2.0) / down, w / across, h / down],
            Shape::Polygon(ring) => ring.iter().flat_map(|[x, y]| [x / across, y / down]).collect(),
            // One object of several rings cannot be said; its first ring would be another object.
            Shape::Rings(rings) if rings.len() == 1 => rings[0].iter().flat_map(|[x, y]| [x / across, y / down]).collect(),
            Shape::Rings(_) => {
                left_out += 1;
                continue;
            }
        };
        let _ = write!(text, "{class}");
        for number in numbers {
            // Six digits are a thousandth of a pixel of a picture of a thousand; eight serve larger ones.
            let _ = write!(text, " {:.8}", number.clamp(0.0, 1.0));
        }
        text.push('\n');
    }
    Some((text, left_out))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_in_every_form() {
        for text in [
            "cat\ndog\n",
            "path: x\nnames: [cat, 'dog']\n",
            "names:\n  - cat\n  - \"dog\"\nnc: 2\n",
            "train: a\nnames:\n  0: cat\n  1: dog # good\nnc: 2\n",
        ] {
            assert_eq!(read_classes(text).unwrap(), ["cat", "dog"], "{text}");
        }
        for text in ["", "names:\n", "names:\n  0: cat\n  2: dog\n", "names:\n  x: cat\n"] {
            assert_eq!(read_classes(text).unwrap_err().code, "yolo", "{text}");
        }
    }

    #[test]
    fn there_and_back() {
        let classes = ["cat".to_owned(), "dog".to_owned()];
        let text = "0 0.5 0.5 0.25 0.5\n\n1 0 0 1 0 1 1\n";
        let picture = read_picture("a.png", 640, 480, text, &classes).unwrap();
        assert_eq!(picture.objects[0].shape, Shape::Box([240.0, 120.0, 160.0, 240.0]));
        assert_eq!(picture.objects[1].shape, Shape::Polygon(vec![[0.0, 0.0], [640.0, 0.0], [640.0, 480.0]]));
        let dataset = Dataset { classes: classes.to_vec(), pictures: vec![picture.clone()], left_out: 0 };
        let (written, left_out) = write_picture(&dataset, &picture).unwrap();
        assert_eq!(left_out, 0);
        assert_eq!(read_picture("a.png", 640, 480, &written, &read_classes(&write_classes(&dataset)).unwrap()).unwrap(), picture);
        let unknown = Picture { width: 0, ..picture };
        assert_eq!(write_picture(&dataset, &unknown), None);
    }

    #[test]
    fn wrong_lines_say_where() {
        let classes = ["cat".to_owned()];
        for (text, words) in [
            ("x 1 2 3 4", "begins with no class"),
            ("0 0.1 0.1 0.1 0.1\n7 0 0 0 0", "line 2"),
            ("0 1 2", "not between"),
            ("0 0.1 0.1", "neither four"),
            ("0 a b c d", "no number"),
        ] {
            let error = read_picture("a.png", 10, 10, text, &classes).unwrap_err();
            assert!(error.message.contains(words) && error.message.contains("a.png"), "{}", error.message);
        }
    }
}
