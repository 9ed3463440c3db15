package cache

import (
	"context"
	"errors"
	"time"
)

// RedisBudget is a [Budget] that all who use the same Redis share. A key is a
// sorted set of its members by the time of their Take, which goes by itself when
// the last of them has left the window. The time is that of the Redis server, so
// that replicas whose clocks differ count alike.
//
// Each method is one command and so one round trip, within the bound of any
// other operation, and fails with [ErrDown] while Redis does not answer.
type RedisBudget struct {
	redis  *Redis
	limit  int
	window time.Duration
}

// Budget returns a budget of limit members, at least one, within the window.
func (r *Redis) Budget(limit int, window time.Duration) *RedisBudget {
	return &RedisBudget{r, limit, window}
}

// The scripts are atomic. They are sent whole each time: a digest would cost a
// second round trip after every restart and failover. Times are microseconds,
// which a score holds exactly.
const (
	// takeScript has the member, the window and the limit as arguments. It returns
	// whether there was room (0), and then the time to wait; or whether the member
	// is new (1) or not (2), and its stamp. Its first write is the ZADD: once a
	// script has written anything, Redis no longer refuses it more memory.
	takeScript = `local now = redis.call('TIME')
now = now[1] * 1000000 + now[2]
local window = tonumber(ARGV[2])
local since = now - window
local after = string.format('(%.0f', since)
if redis.call('ZCOUNT', KEYS[1], after, '+inf') >= tonumber(ARGV[3]) then
  local oldest = redis.call('ZRANGEBYSCORE', KEYS[1], after, '+inf', 'WITHSCORES', 'LIMIT', 0, 1)
  return {0, oldest[2] - since}
end
local before = tonumber(redis.call('ZSCORE', KEYS[1], ARGV[1]) or 0)
if before >= now then
  now = before + 1
end
redis.call('ZADD', KEYS[1], now, ARGV[1])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', since)
redis.call('PEXPIRE', KEYS[1], math.ceil(window / 1000))
return {before > since and 2 or 1, now}`

	// giveBackScript has the member and its stamp as arguments.
	giveBackScript = `local score = redis.call('ZSCORE', KEYS[1], ARGV[1])
if score and tonumber(score) == tonumber(ARGV[2]) then
  redis.call('ZREM', KEYS[1], ARGV[1])
end
return {}`
)

// The first number of takeScript's answer.
const (
	takeFull = 0
	takeNew  = 1
)

// Take implements [Budget].
func (b *RedisBudget) Take(ctx context.Context, key, member string) (Ticket, time.Duration, error) {
	answer, err := b.redis.eval(ctx, "take", takeScript, key, member, b.window.Microseconds(), b.limit)
	if err != nil {
		return Ticket{}, 0, err
	}
	if len(answer) != 2 {
		return Ticket{}, 0, opError("take", errors.New("an answer that the script does not give"))
	}
	switch answer[0] {
	case takeFull:
		// A server whose clock was set back would have callers wait for that long.
		wait := time.Duration(answer[1]) * time.Microsecond
		return Ticket{}, min(max(wait, time.Microsecond), b.window), nil
	case takeNew:
		return Ticket{key, member, answer[1]}, 0, nil
	}
	return Ticket{}, 0, nil
}

// GiveBack implements [Budget].
func (b *RedisBudget) GiveBack(ctx context.Context, t Ticket) error {
	if t.stamp == 0 {
		return ctx.Err()
	}
	_, err := b.redis.eval(ctx, "give back", giveBackScript, t.key, t.member, t.stamp)
	return err
}

// Refill implements [Budget].
func (b *RedisBudget) Refill(ctx context.Context, key string) error {
	return b.redis.Delete(ctx, key)
}
