//! What people see who start Magpie by hand: everything that is printed.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "the one module of this program that prints"
)]

use std::error::Error;
use std::io::Write as _;
use std::path::Path;

use magpie::bridge::check::Finding;
use magpie::config::Wrong;

/// Where everything is.
pub(crate) struct Welcome<'a> {
    /// Where Magpie answers.
    pub(crate) address: &'a str,
    /// The link that signs in once.
    pub(crate) sign_in: &'a str,
    /// The page of the simulated phones, if there is one.
    pub(crate) phone: Option<&'a str>,
    /// What Prometheus scrapes, if it is there.
    pub(crate) metrics: Option<&'a str>,
    /// The data folder.
    pub(crate) data: &'a Path,
}

/// Says that Magpie is there, and where.
pub(crate) fn welcome(welcome: &Welcome<'_>) {
    let Welcome {
        address,
        sign_in,
        phone,
        metrics,
        data,
    } = welcome;
    println!();
    println!("  Magpie {} · {address}", env!("CARGO_PKG_VERSION"));
    println!();
    println!("  Inbox for agents, this link signs in once  客服收件箱，链接仅可登录一次");
    println!("    {sign_in}");
    if let Some(phone) = phone {
        println!("  Simulated phone, to write as a customer    模拟手机，用来扮演顾客");
        println!("    {phone}");
    }
    if let Some(metrics) = metrics {
        println!("  Metrics for Prometheus                     Prometheus 指标");
        println!("    {metrics}");
    }
    println!("  Data                                       数据目录");
    println!("    {}", data.display());
    println!();
    println!("  Ctrl-C ends it. 按 Ctrl-C 结束。");
    println!();
}

/// Says what a command has done. Whoever does not listen to the end has heard enough.
pub(crate) fn said(text: &str) {
    let _ = writeln!(std::io::stdout(), "{text}");
}

/// Says what a look at one thing of something has found.
pub(crate) fn finding(of: &str, found: &Finding) {
    let Finding { name, en, zh, .. } = found;
    let verdict = if found.ok { "ok  " } else { "FAIL" };
    let line = format!("{verdict}  {of}  {name}: {en} {zh}");
    // A part of it may have come over a network.
    said(&line.replace(char::is_control, " "));
}

/// Says how far a command has come.
pub(crate) fn progress(text: &str) {
    eprintln!("magpie: {text}");
}

/// Says what is wrong with the settings.
pub(crate) fn wrong(wrong: &Wrong) {
    eprintln!("magpie: the settings are not right 设置有误:");
    for problem in &wrong.0 {
        eprintln!("  {problem}");
    }
}

/// Says why it cannot go on, and why that is.
pub(crate) fn failure(failure: &dyn Error) {
    eprintln!("magpie: {failure}");
    let mut cause = failure.source();
    while let Some(error) = cause {
        eprintln!("  because: {error}");
        cause = error.source();
    }
}
