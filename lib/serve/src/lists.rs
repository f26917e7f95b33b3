//! Lists: the tags of a repository, and the repositories, page by page.

use std::collections::BTreeSet;

use hyper::StatusCode;
use hyper::header::LINK;
use serde_json::json;
use types::reference::ImageRef;

use crate::App;
use crate::answer::{Answer, Outcome, Refusal};
use crate::names::listed;
use crate::request::Head;

/// `/v2/N/tags/list`.
pub(crate) fn tags(app: &App, head: &Head, name: &str, repository: &ImageRef) -> Outcome {
    let offered = app.store.offered().map_err(Refusal::ours)?;
    let mut ours = offered.iter().filter(|o| o.name.same_repository(repository)).peekable();
    if ours.peek().is_none() {
        return Err(Refusal::not_found("NAME_UNKNOWN", format!("nothing of {name:?} is here")));
    }
    let tags = ours.filter_map(|o| o.name.tag()).map(str::to_owned).collect();
    let (tags, next) = page(head, tags)?;
    let answer = Answer::json(StatusCode::OK, &json!({ "name": name, "tags": tags }));
    Ok(link(answer, &format!("/v2/{name}/tags/list"), next))
}

/// `/v2/_catalog`.
pub(crate) fn catalog(app: &App, head: &Head) -> Outcome {
    let offered = app.store.offered().map_err(Refusal::ours)?;
    let (names, next) = page(head, offered.iter().filter_map(|o| listed(&o.name)).collect())?;
    let answer = Answer::json(StatusCode::OK, &json!({ "repositories": names }));
    Ok(link(answer, "/v2/_catalog", next))
}

/// At most `n` of the words after `last`, in their order, and with what the next page is asked for.
fn page(head: &Head, words: BTreeSet<String>) -> Result<(Vec<String>, Option<String>), Refusal> {
    let most = match head.param("n") {
        None => usize::MAX,
        Some(n) => n
            .parse()
            .map_err(|_| Refusal::bad("PAGINATION_NUMBER_INVALID", format!("n={n:?} is no number")))?,
    };
    let last = head.param("last").unwrap_or_default();
    let mut rest = words.into_iter().filter(|word| word.as_str() > last);
    let page: Vec<String> = rest.by_ref().take(most).collect();
    let next = match (page.last(), rest.next()) {
        (Some(end), Some(_)) => Some(format!("n={most}&last={end}")),
        _ => None,
    };
    Ok((page, next))
}

fn link(answer: Answer, path: &str, next: Option<String>) -> Answer {
    match next {
        Some(query) => answer.with(LINK, format!("<{path}?{query}>; rel=\"next\"")),
        None => answer,
    }
}
