//! A folder with a manifest, and running the command in it.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]
#![allow(dead_code, reason = "each test file uses its part")]

pub(crate) mod postgres;

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::thread;

use tempfile::TempDir;

/// A model with two versions: `title` is renamed, `note` removed, `size` added.
const MODEL: &str = "type: model\nname: item\nkey: [id]\nproperties:\n  id: {type: string, required: true}\n  title: {type: string, required: true}\n  note: {type: json, nullable: true}\n";

pub(crate) struct World(TempDir);

impl World {
    /// A folder with an empty manifest.
    pub(crate) fn new() -> Self {
        let world = Self(tempfile::tempdir().unwrap());
        world.write("coeval.yaml", "name: shop\n");
        world
    }

    /// A folder with a model of two versions.
    pub(crate) fn two_versions() -> Self {
        let world = Self::new();
        world.write("models/item.yaml", MODEL);
        assert!(world.run(&["freeze"], b"").status.success());
        let text = fs::read_to_string(world.path().join("models/item.yaml")).unwrap();
        let draft = "type: model\nname: item\nkey: [id]\noperations:\n  - rename_property: {from: title, to: name}\nproperties:\n  id: {type: string, required: true}\n  name: {type: string, required: true}\n  size: {type: integer, required: true, default: 1}\n";
        world.write("models/item.yaml", text.replacen(MODEL, draft, 1));
        assert!(world.run(&["freeze"], b"").status.success());
        world
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn write(&self, path: &str, text: impl AsRef<[u8]>) {
        let path = self.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    pub(crate) fn read(&self, path: &str) -> Vec<u8> {
        fs::read(self.path().join(path)).unwrap()
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_coeval"));
        command.args(arguments).current_dir(self.path()).env("XDG_CACHE_HOME", self.path().join(".cache"));
        command.env_remove("NO_COLOR").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Runs a command with some standard input.
    pub(crate) fn run(&self, arguments: &[&str], input: &[u8]) -> Output {
        let mut child = self.command(arguments).spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let input = input.to_vec();
        // The command may end before it has read everything.
        let feeding = thread::spawn(move || drop(stdin.write_all(&input)));
        let output = child.wait_with_output().unwrap();
        feeding.join().unwrap();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(!errors.contains("panicked") && !errors.contains("error[internal]"), "{arguments:?}: {errors}");
        output
    }
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
