//! Every `unsafe` has its reason, and tests/UNSAFE.md lists them. After a change: `COVMAP_BLESS=1 cargo test --release --test
//! unsafe_inventory`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// One reason in one file, and what it stands for.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Reason {
    kind: &'static str,
    text: String,
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() && !["target", "node_modules"].contains(&name.as_str()) && !name.starts_with('.') {
            sources(&path, found);
        } else if path.extension().is_some_and(|e| e == "rs") {
            found.push(path);
        }
    }
}

/// The line without its comment and without what stands in quotes.
fn code(line: &str) -> String {
    let (mut out, mut quoted, mut before) = (String::new(), false, ' ');
    for c in line.chars() {
        match c {
            '"' if before != '\\' => quoted = !quoted,
            '/' if !quoted && before == '/' => {
                out.pop();
                break;
            }
            c if !quoted => out.push(c),
            _ => (),
        }
        before = c;
    }
    out
}

/// What the line makes unsafe.
fn kind(code: &str) -> Option<&'static str> {
    let words: Vec<&str> = code.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|w| !w.is_empty()).collect();
    let at = words.iter().position(|w| *w == "unsafe")?;
    let attribute = code.trim_start().starts_with("#[unsafe(");
    let pointer = code.contains("unsafe extern \"C\" fn(") || code.contains("unsafe fn(") || code.contains("unsafe extern  fn(");
    match words.get(at + 1) {
        _ if attribute || pointer => None,
        Some(&"fn" | &"extern") => Some("function"),
        Some(&"impl") => Some("implementation"),
        Some(&"trait") => Some("trait"),
        _ => Some("block"),
    }
}

/// Joins the lines of a comment that begin with `mark`, from the one that `start` is found in to the next empty one.
fn paragraph(lines: &[&str], start: &str, mark: &str) -> Option<String> {
    let texts: Vec<&str> = lines.iter().map(|l| l.trim().trim_start_matches(mark).trim()).collect();
    let first = texts.iter().rposition(|t| t.starts_with(start))?;
    let heading = texts[first] == start;
    let body = texts[first + usize::from(heading)..].iter().take_while(|t| !t.is_empty());
    let text = body.copied().collect::<Vec<_>>().join(" ");
    Some(text.trim_start_matches(start).trim().to_owned())
}

/// The comment above a line: attributes and the beginning of its statement may stand between.
fn safety_above(lines: &[&str], at: usize) -> Option<String> {
    let window = &lines[at.saturating_sub(9)..at];
    let first = window.iter().rposition(|l| l.trim_start().starts_with("// SAFETY:"))?;
    let comment: Vec<&str> = window[first..].iter().copied().take_while(|l| l.trim_start().starts_with("//")).collect();
    paragraph(&comment, "SAFETY:", "//")
}

/// The section "# Safety" of the documentation above a line.
fn contract_above(lines: &[&str], at: usize) -> Option<String> {
    let above = lines[..at].iter().rev().take_while(|l| {
        let l = l.trim_start();
        l.starts_with("///") || l.starts_with("#[")
    });
    let mut docs: Vec<&str> = above.copied().filter(|l| l.trim_start().starts_with("///")).collect();
    docs.reverse();
    paragraph(&docs, "# Safety", "///")
}

/// The section "# Safety" of a module's own documentation.
fn contract_of_module(text: &str) -> Option<String> {
    let docs: Vec<&str> = text.lines().filter(|l| l.starts_with("//!")).collect();
    paragraph(&docs, "# Safety", "//!")
}

/// The reason of each `unsafe` of a file; an empty one where there is none. `module` is what the files above it say.
fn reasons(text: &str, module: Option<&str>) -> Vec<(usize, Reason)> {
    let lines: Vec<&str> = text.lines().collect();
    let own = contract_of_module(text);
    // The kernels' blocks add nothing to the contracts of the functions that they make up.
    let kernels = own.as_deref().or(module).is_some_and(|m| m.starts_with("Kernels "));
    let inherited = || own.as_deref().or(module).map(str::to_owned);
    let mut contract: Option<String> = None;
    let mut found = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        contract = contract_above(&lines, at).or(contract);
        let Some(kind) = kind(&code(line)) else { continue };
        let stated = contract_above(&lines, at);
        let text = match kind {
            _ if kernels => stated.or_else(|| contract.clone()).or_else(inherited),
            "function" | "trait" => stated.or_else(inherited).or_else(|| safety_above(&lines, at)),
            _ => safety_above(&lines, at),
        };
        found.push((at + 1, Reason { kind, text: text.unwrap_or_default() }));
    }
    found
}

#[test]
fn every_unsafe_has_its_reason_and_is_listed() {
    let root = covmap_tests::root();
    let mut files = Vec::new();
    for folder in std::fs::read_dir(&root).unwrap().map(|e| e.unwrap().path()).filter(|p| p.is_dir()) {
        if !["target", "shared", ".git"].contains(&&*folder.file_name().unwrap().to_string_lossy()) {
            sources(&folder, &mut files);
        }
    }
    files.sort();
    assert!(files.len() > 150, "{} sources", files.len());
    let module = |file: &Path, name: &str| {
        let text = std::fs::read_to_string(file.parent()?.join(name)).ok()?;
        contract_of_module(&text)
    };
    let (mut without, mut list, mut total) = (Vec::new(), String::new(), BTreeMap::<&str, usize>::new());
    for file in &files {
        let above = module(file, "mod.rs").or_else(|| module(file, "lib.rs"));
        let found = reasons(&std::fs::read_to_string(file).unwrap(), above.as_deref());
        let name = file.strip_prefix(&root).unwrap().display().to_string();
        without.extend(found.iter().filter(|(_, r)| r.text.is_empty()).map(|(line, r)| format!("{name}:{line}: {}", r.kind)));
        let mut counts = BTreeMap::new();
        for (_, reason) in found {
            *total.entry(reason.kind).or_default() += 1;
            *counts.entry(reason).or_insert(0) += 1;
        }
        if !counts.is_empty() {
            list += &format!("\n## {name}\n\n");
            for (Reason { kind, text }, n) in counts {
                let many = if n == 1 { kind.to_owned() } else { format!("{n} {kind}s") };
                list += &format!("- {many}: {text}\n");
            }
        }
    }
    assert!(
        without.is_empty(),
        "unsafe without a reason (`// SAFETY:` above it, or `# Safety` in its documentation):\n{}",
        without.join("\n")
    );
    let total: Vec<String> = total.iter().map(|(kind, n)| format!("{n} {kind}s")).collect();
    let head = "# Where memory safety rests on a reason\n\nWritten by `tests/tests/unsafe_inventory.rs`, which fails where a reason is missing. Everywhere else the compiler refuses `unsafe`.";
    let listed = format!("{head}\n\nIn all: {}.\n{list}", total.join(", "));
    let path = root.join("tests/UNSAFE.md");
    if std::env::var_os("COVMAP_BLESS").is_some() {
        std::fs::write(&path, &listed).unwrap();
    }
    let checked_in = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(checked_in == listed, "tests/UNSAFE.md is not what the sources say; bless it with COVMAP_BLESS=1");
}

#[test]
fn what_has_no_reason_is_found() {
    let missing = |text: &str| reasons(text, None).iter().filter(|(_, r)| r.text.is_empty()).count();
    let all = |text: &str| reasons(text, None).len();
    assert_eq!((all("fn f() {\n    unsafe { g() }\n}\n"), missing("fn f() {\n    unsafe { g() }\n}\n")), (1, 1));
    assert_eq!(missing("fn f() {\n    // SAFETY: g is\n    // harmless.\n    let x = unsafe { g() };\n}\n"), 0);
    assert_eq!(missing("/// Does.\npub unsafe fn f() {}\n"), 1);
    assert_eq!(missing("/// Does.\n///\n/// # Safety\n/// It is.\n#[inline]\npub unsafe fn f() {}\n"), 0);
    assert_eq!(missing("unsafe impl Send for X {}\n"), 1);
    assert_eq!(all("// unsafe { }\nlet text = \"unsafe { }\"; // and unsafe\n#[unsafe(no_mangle)]\n"), 0);
    let text = "// SAFETY: one\n// two.\n#[allow(unsafe_code)]\nunsafe impl Send for X {}\n";
    assert_eq!(reasons(text, None)[0].1, Reason { kind: "implementation", text: "one two.".into() });
}
