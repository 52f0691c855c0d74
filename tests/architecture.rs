//! The direction of dependencies, which the compiler does not know: between the
//! modules of the shared crate, and from the functions to other crates.
#![expect(
    clippy::unwrap_used,
    reason = "a test stops at the first thing that is not as it has to be"
)]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The modules without IO, clock and chance.
const CORE: [&str; 25] = [
    "content",
    "event",
    "faces",
    "fields",
    "lines",
    "menu",
    "message",
    "moment",
    "standing",
    "notice",
    "opens",
    "people",
    "qrcode",
    "reason",
    "reply",
    "rich",
    "channel",
    "conversation",
    "delivery",
    "fallback",
    "journal",
    "lane",
    "media",
    "tally",
    "window",
];

/// What is allowed beside the core, by module. A module that is not here may
/// import every other.
const MAY_IMPORT: [(&str, &[&str]); 11] = [
    ("wechat", &["http"]),
    ("desk", &["http"]),
    ("store", &["config"]),
    ("storage", &["config", "http", "store"]),
    ("secrets", &["config", "store"]),
    ("invoke", &["config", "store"]),
    ("clock", &[]),
    ("http", &[]),
    ("config", &["http"]),
    ("telemetry", &["config"]),
    (
        "console",
        &[
            "bridge", "store", "storage", "secrets", "http", "desk", "wechat",
        ],
    ),
];

/// Crates and paths with one owner.
const OWNED: [(&str, &[&str]); 7] = [
    ("aws_", &["invoke", "storage", "store", "secrets"]),
    ("dynoxide", &["store"]),
    ("rusqlite", &["store"]),
    ("reqwest", &["http"]),
    ("lambda_runtime", &["lambda"]),
    ("std::env", &["config"]),
    ("tracing_subscriber", &["telemetry"]),
];

struct Source {
    /// The module right below the crate: `store` for `store/lanes.rs`.
    module: String,
    path: PathBuf,
    /// Without comments and without the tests at its end.
    code: String,
}

fn shared() -> PathBuf {
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    top.join("shared/src")
}

fn sources() -> Vec<Source> {
    let mut folders = vec![shared()];
    let mut sources = Vec::new();
    while let Some(folder) = folders.pop() {
        for file in fs::read_dir(folder).unwrap() {
            let path = file.unwrap().path();
            if path.is_dir() {
                if path.file_name().unwrap() != "tests" {
                    folders.push(path);
                }
            } else if path.extension().is_some_and(|kind| kind == "rs") {
                sources.push(source(path));
            }
        }
    }
    sources
}

fn source(path: PathBuf) -> Source {
    let inside = path.strip_prefix(shared()).unwrap();
    let first = inside.iter().next().unwrap().to_str().unwrap();
    let module = first.trim_end_matches(".rs").to_owned();
    let text = fs::read_to_string(&path).unwrap();
    let product = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
    let code: Vec<&str> = product
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .collect();
    Source {
        module,
        path,
        code: code.join("\n"),
    }
}

/// The modules of the crate that a source names, in `use` or in passing.
fn imports(code: &str) -> BTreeSet<String> {
    let mut modules = BTreeSet::new();
    for (at, found) in code.match_indices("crate::") {
        let before = code.get(..at).unwrap().chars().next_back();
        // `$crate` and names that end so are something else.
        if before.is_some_and(|before| before.is_alphanumeric() || "_$".contains(before)) {
            continue;
        }
        let after = code.get(at + found.len()..).unwrap();
        match after.strip_prefix('{') {
            Some(list) => {
                // At the top level of the braces, each item begins with a module.
                let mut depth = 0_usize;
                let mut item = String::new();
                for c in list.chars() {
                    match c {
                        '{' => depth += 1,
                        '}' if depth == 0 => break,
                        '}' => depth -= 1,
                        ',' if depth == 0 => modules.extend(module(&std::mem::take(&mut item))),
                        _ => {}
                    }
                    if depth == 0 && c != ',' {
                        item.push(c);
                    }
                }
                modules.extend(module(&item));
            }
            None => modules.extend(module(after)),
        }
    }
    modules
}

/// The name that a path begins with, if it is one of a module.
fn module(path: &str) -> Option<String> {
    let path = path.trim_start();
    let name: String = path
        .chars()
        .take_while(|c| c.is_ascii_lowercase() || *c == '_')
        .collect();
    (!name.is_empty()).then_some(name)
}

#[test]
fn modules_import_only_what_lies_below_them() {
    let mut wrong = Vec::new();
    let mut seen = BTreeSet::new();
    for source in sources() {
        seen.insert(source.module.clone());
        let core = CORE.contains(&source.module.as_str());
        let mut listed = MAY_IMPORT.iter();
        let may = match listed.find(|(module, _)| *module == source.module) {
            _ if core => &[][..],
            Some((_, may)) => may,
            None => continue,
        };
        for import in imports(&source.code) {
            let fits = import == source.module
                || CORE.contains(&import.as_str())
                || may.contains(&import.as_str());
            if !fits {
                wrong.push(format!("{} imports {import}", source.path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    for module in CORE
        .iter()
        .chain(MAY_IMPORT.iter().map(|(module, _)| module))
    {
        assert!(seen.contains(*module), "there is no module {module}");
    }
}

#[test]
fn what_has_an_owner_is_used_by_nobody_else() {
    let mut wrong = Vec::new();
    for source in sources() {
        for (name, owners) in OWNED {
            let owned = owners.contains(&source.module.as_str());
            if !owned && names(&source.code, name) {
                wrong.push(format!("{} uses {name}", source.path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// Whether a path in the code begins with this.
fn names(code: &str, path: &str) -> bool {
    code.match_indices(path).any(|(at, _)| {
        let before = code.get(..at).unwrap().chars().next_back();
        !before.is_some_and(|before| before.is_alphanumeric() || "_.\"".contains(before))
    })
}

#[test]
fn how_a_source_is_read() {
    let check = |code: &str, expected: &[&str]| {
        let found = imports(code);
        assert_eq!(found.iter().collect::<Vec<_>>(), expected, "{code}");
    };
    check("use crate::store::{Store, Put};", &["store"]);
    check(
        "use crate::{desk, wechat::{api, split}, lines};",
        &["desk", "lines", "wechat"],
    );
    check("pub(crate) fn f(a: crate::moment::Moment)", &["moment"]);
    check("use super::row; pub(in crate) mod x;", &[]);
    assert!(names("let x = std::env::var(y)", "std::env"));
    assert!(names("use aws_sdk_dynamodb::Client;", "aws_"));
    assert!(!names("let laws_of = 1; x.aws_y", "aws_"));
}

/// What must not weigh on a cold start.
#[test]
fn a_function_links_no_engine_and_no_server() {
    let tree = Command::new(env!("CARGO"))
        .args([
            "tree",
            "--locked",
            "--offline",
            "--package",
            "magpie-functions",
        ])
        .args(["--edges", "normal", "--prefix", "none", "--format", "{p}"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    let said = String::from_utf8(tree.stderr).unwrap();
    assert!(tree.status.success(), "{said}");
    let tree = String::from_utf8(tree.stdout).unwrap();
    let linked: BTreeSet<&str> = tree
        .lines()
        .filter_map(|line| line.split_whitespace().next())
        .collect();
    assert!(linked.contains("lambda_runtime"), "{linked:?}");
    for heavy in [
        "dynoxide-rs",
        "rusqlite",
        "axum",
        "magpie-local",
        "aws-lc-rs",
        "openssl",
    ] {
        assert!(!linked.contains(heavy), "{heavy} would be linked");
    }
}
