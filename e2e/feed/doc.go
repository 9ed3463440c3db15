// Package feed_test runs several real server processes that share a store, and
// commands beside them: what one is told, all act upon within a second, whatever
// their caches hold, and also while PostgreSQL or Redis is away.
package feed_test
