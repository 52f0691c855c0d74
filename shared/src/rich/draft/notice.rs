//! A notice as a caller wrote it.
//!
//! Invariant: the values of a subscribe notification are what WeChat documents for their
//! fields, so that whoever wrote them hears of it at once.

use std::collections::BTreeMap;

use super::{ADDRESS, Draft, Reader, TITLE, Wrong};
use crate::notice::{self, MiniProgram, Notice, Way};

impl Reader {
    pub(super) fn notice(&mut self, way: Way, draft: Draft) -> Option<Notice> {
        let template_id = self.needed("template_id", draft.template_id);
        let template_id = template_id.filter(|id| {
            let fits = (1..=128).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_graphic());
            if !fits {
                let (zh, en) = ("应为模板的 ID", "it is the id of a template");
                self.note("template_id", zh, en);
            }
            fits
        });
        let title = self.short("title", draft.title, TITLE);
        if draft.text.is_some_and(|text| !text.trim().is_empty()) {
            let (zh, en) = ("通知不能带文字，请另发", "a notice has no words beside it");
            self.note("text", zh, en);
        }
        self.data(way, &draft.data);
        let url = self.address("url", draft.url);
        let mini_program = draft.mini_program.and_then(|page| {
            let app_id = self.needed("mini_program", page.app_id)?;
            Some(MiniProgram {
                app_id: self.app_id("mini_program", app_id)?,
                path: self.short("mini_program", page.path, ADDRESS),
            })
        });
        Some(Notice {
            way,
            template_id: template_id?,
            title,
            data: draft.data,
            url,
            mini_program,
        })
    }

    fn data(&mut self, way: Way, data: &BTreeMap<String, String>) {
        if data.is_empty() {
            self.missing("data");
        }
        if data.len() > notice::FIELDS || !data.keys().all(|name| notice::is_name(name)) {
            self.note(
                "data",
                "最多 20 个字段，字段名由字母、数字和下划线组成",
                "there are at most 20 fields, their names have letters, digits and _",
            );
        }
        for unfit in data
            .iter()
            .filter_map(|(name, value)| notice::unfit(way, name, value))
        {
            self.push(Wrong {
                field: "data",
                zh: unfit.zh,
                en: unfit.en,
                too_long: unfit.too_long,
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rich::draft::Page;

    fn notice(kind: &str, fields: &[(&str, &str)]) -> Draft {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        Draft {
            kind: kind.into(),
            template_id: Some("tpl_1".into()),
            data: fields.iter().map(owned).collect(),
            ..Draft::default()
        }
    }

    fn page(app_id: Option<&str>) -> Page {
        Page {
            app_id: app_id.map(str::to_owned),
            path: None,
        }
    }

    #[test]
    fn what_is_wrong_with_a_notice_is_said_of_its_field() {
        let check = |draft: Draft, expected: &[(&str, bool)]| {
            let wrong = draft.read().unwrap().unwrap_err();
            let told: Vec<_> = wrong.iter().map(|w| (w.field, w.too_long)).collect();
            assert_eq!(told, expected);
        };
        let long = "长".repeat(21);
        check(notice("template", &[]), &[("data", false)]);
        check(notice("subscribe", &[("thing1", &long)]), &[("data", true)]);
        assert!(
            notice("template", &[("thing1", &long)])
                .read()
                .unwrap()
                .is_ok()
        );
        check(notice("template", &[("a-b", "x")]), &[("data", false)]);
        check(
            Draft {
                template_id: Some("模板".into()),
                text: Some("还有".into()),
                url: Some("javascript:1".into()),
                mini_program: Some(page(None)),
                ..notice("subscribe", &[("thing1", "好")])
            },
            &[
                ("template_id", false),
                ("text", false),
                ("url", false),
                ("mini_program", false),
            ],
        );
        let wrong = page(Some("not an id"));
        check(
            Draft {
                mini_program: Some(wrong),
                ..notice("subscribe", &[("thing1", "好")])
            },
            &[("mini_program", false)],
        );
    }
}
