//! A crawler with an unmodified blocking HTTP client, `ureq`, and an unmodified web server, `tiny_http`, all on one OS thread.
//!
//!     cargo run -p greenthread-patched --example crawler
//!
//! The site has two hundred pages, each of which takes 50 ms and links to a few others. Crawled one page after the other it takes
//! more than ten seconds. It prints
//!
//! ```text
//! 200 pages, each fetched once
//! more than ten requests at the same time, and no more than 64: true
//! ```

use greenthread::sync::Semaphore;
use std::collections::HashSet;
use std::error::Error;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

const PAGES: usize = 200;
const AT_ONCE: usize = 64;

/// The web server. How many requests it has had at the same time at most.
fn serve(site: &tiny_http::Server, most: &Arc<AtomicUsize>) {
    let now = Arc::new(AtomicUsize::new(0));
    while let Ok(request) = site.recv() {
        let (now, most) = (Arc::clone(&now), Arc::clone(most));
        greenthread::spawn(move || {
            most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            std::thread::sleep(Duration::from_millis(50));
            let page: usize = request.url().trim_start_matches('/').parse().unwrap_or(0);
            let links = (1..=8).map(|link| format!("/{}\n", (page * 7 + link) % PAGES));
            now.fetch_sub(1, Ordering::SeqCst);
            let _ = request.respond(tiny_http::Response::from_string(links.collect::<String>()));
        });
    }
}

struct Crawler {
    site: String,
    seen: Mutex<HashSet<String>>,
    fetched: AtomicUsize,
    permits: Semaphore,
}

impl Crawler {
    /// Fetches a page, and then all to which it links and that nobody has fetched.
    fn crawl(self: &Arc<Self>, page: String) {
        if !self.seen.lock().unwrap().insert(page.clone()) {
            return;
        }
        let fetched = {
            let _permit = self.permits.acquire();
            ureq::get(format!("{}{page}", self.site))
                .call()
                .and_then(|mut answer| answer.body_mut().read_to_string())
        };
        let links = match fetched {
            Ok(links) => links,
            Err(error) => return eprintln!("{page}: {error}"),
        };
        self.fetched.fetch_add(1, Ordering::SeqCst);
        let next = links.lines().map(|link| {
            let (crawler, link) = (Arc::clone(self), link.to_string());
            greenthread::spawn(move || crawler.crawl(link))
        });
        next.collect::<Vec<_>>().into_iter().for_each(|one| drop(one.join()));
    }
}

fn crawl() -> Result<(), Box<dyn Error + Send + Sync>> {
    let site = Arc::new(tiny_http::Server::http("127.0.0.1:0")?);
    let most = Arc::new(AtomicUsize::new(0));
    let (own, counter) = (Arc::clone(&site), Arc::clone(&most));
    let server = greenthread::spawn(move || serve(&own, &counter));
    let crawler = Arc::new(Crawler {
        site: format!("http://{}", site.server_addr()),
        seen: Mutex::default(),
        fetched: AtomicUsize::new(0),
        permits: Semaphore::new(AT_ONCE),
    });
    crawler.crawl("/0".to_string());
    site.unblock();
    server.join()?;
    println!("{} pages, each fetched once", crawler.fetched.load(Ordering::SeqCst));
    let most = most.load(Ordering::SeqCst);
    let good = most > 10 && most <= AT_ONCE;
    println!("more than ten requests at the same time, and no more than {AT_ONCE}: {good}");
    Ok(())
}

fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    // SAFETY: nothing here is of the kinds that `patch_all` names.
    unsafe { greenthread::monkey::patch_all() };
    greenthread::Runtime::builder().workers(1).build()?.run(crawl)?
}
