//! The articles that an account has published: what `mpnews` and
//! `mpnewsarticle` send.
//!
//! Invariant: an article is made by its owner in the console and by no call.

use super::account::Account;
use super::act::Refused;
use super::wechat::WeChat;

/// A published article.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Article {
    /// What `mpnewsarticle` names it by.
    pub article_id: String,
    /// What `mpnews` names it by. It is permanent material and does not expire.
    pub media_id: String,
    /// Its title.
    pub title: String,
    /// Where it is read.
    pub url: String,
}

impl WeChat {
    /// The owner of an account publishes an article in WeChat's console.
    pub fn publish(&mut self, app_id: &str, title: &str, url: &str) -> Result<Article, Refused> {
        let article = Article {
            article_id: self.mint.letters(43),
            media_id: self.mint.letters(64),
            title: title.to_owned(),
            url: url.to_owned(),
        };
        let account = self.account_mut(app_id).ok_or(Refused::UnknownAccount)?;
        account.articles.push(article.clone());
        Ok(article)
    }
}

impl Account {
    pub(crate) fn article(&self, is: impl Fn(&Article) -> bool) -> Option<&Article> {
        self.articles.iter().find(|article| is(article))
    }
}
