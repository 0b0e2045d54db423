package simulate

// The consents a session may have given: none, and the first one to four.
var consents = []string{"[0]", "[0,1]", "[0,1,2]", "[0,1,2,3]", "[]"}

var eventTypes = []string{
	"pageview", "pageview", "pageview", "pageview", "click", "click", "scroll", "search", "add_to_cart", "checkout", "form_submit", "video_play", "share", "logout",
}

var pages = []string{
	"", "rules", "pricing", "docs/overview", "docs/concepts/streams", "docs/quickstart", "blog", "blog/privacy-by-design", "about", "contact",
	"products", "products/details", "checkout/payment", "account/settings", "account/orders", "search", "help/faq", "careers", "login", "demo",
}

var topics = []string{"article", "product", "order", "release", "guide", "review", "offer", "event"}

var campaigns = []string{"newsletter", "spring-launch", "retargeting", "partner-network", "conference", "brand-search"}

// An empty referrer stands for another page of the same site.
var referrers = []string{
	"", "", "", "https://www.google.com/", "https://duckduckgo.com/", "https://news.ycombinator.com/item?id=27801234",
	"https://www.linkedin.com/feed/", "https://t.co/Zk3vX0q9bT", "https://www.bing.com/search?q=privacy+streams", "android-app://com.google.android.gm/",
}

var userAgents = []string{
	"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/124.0.0.0 Safari/537.36",
	"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.4 Safari/605.1.15",
	"Mozilla/5.0 (iPhone; CPU iPhone OS 17_4 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.4 Mobile/15E148 Safari/604.1",
	"Mozilla/5.0 (X11; Linux x86_64; rv:125.0) Gecko/20100101 Firefox/125.0",
	"Mozilla/5.0 (Linux; Android 14; Pixel 8) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/124.0.0.0 Mobile Safari/537.36",
	"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/124.0.0.0 Safari/537.36 Edg/124.0.0.0",
	"Mozilla/5.0 (iPad; CPU OS 16_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) CriOS/123.0.0.0 Mobile/15E148 Safari/604.1",
}

var abTests = []string{"checkout-button", "hero-copy", "price-page", "search-ranking", "onboarding-flow", "cookie-banner"}
