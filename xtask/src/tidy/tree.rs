//! The files of the repository: what git tracks or would track.

use std::fs;
use std::io;
use std::path::Path;
use std::process::Command;

/// Folders that hold no source; only asked where git cannot say it.
const NOT_SOURCE: [&str; 4] = [".git", ".venv", "node_modules", "target"];

/// Returns path and text of every text file under `root`, sorted; paths are relative and use `/`.
pub(super) fn texts(root: &Path) -> io::Result<Vec<(String, String)>> {
    let mut paths = match tracked(root) {
        Some(paths) => paths,
        None => walked(root)?,
    };
    paths.sort();
    paths.dedup();
    let mut texts = Vec::new();
    for path in paths {
        let file = root.join(&path);
        // Git lists a file that was deleted but not staged, and a link to a folder; neither has text.
        if file.is_file()
            && let Ok(text) = String::from_utf8(fs::read(&file)?)
        {
            texts.push((path, text));
        }
    }
    Ok(texts)
}

fn tracked(root: &Path) -> Option<Vec<String>> {
    let mut git = Command::new("git");
    git.current_dir(root).args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"]);
    let output = git.output().ok().filter(|output| output.status.success())?;
    let names = String::from_utf8(output.stdout).ok()?;
    let paths: Vec<String> = names.split_terminator('\0').map(str::to_owned).collect();
    (!paths.is_empty()).then_some(paths)
}

fn walked(root: &Path) -> io::Result<Vec<String>> {
    let mut paths = Vec::new();
    let mut folders = vec![String::new()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(root.join(&folder))? {
            let entry = entry?;
            let Ok(name) = entry.file_name().into_string() else { continue };
            let path = if folder.is_empty() { name.clone() } else { format!("{folder}/{name}") };
            let kind = entry.file_type()?;
            if kind.is_file() {
                paths.push(path);
            } else if kind.is_dir() && !NOT_SOURCE.contains(&name.as_str()) {
                folders.push(path);
            }
        }
    }
    Ok(paths)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn git_and_the_walk_both_see_this_file() {
        let here = "xtask/src/tidy/tree.rs";
        assert!(walked(crate::root()).unwrap().iter().any(|path| path == here));
        assert!(texts(crate::root()).unwrap().iter().any(|(path, text)| path == here && text.starts_with("//!")));
    }

    #[test]
    fn build_output_is_not_source() {
        assert!(!walked(crate::root()).unwrap().iter().any(|path| path.starts_with("target/")));
    }
}
