package cache

import (
	"context"
	"errors"
	"time"
)

// RedisRate is a [Rate] that all who use the same Redis share. A key holds the time
// when its next one is due, by the clock of the Redis server, and goes by itself at
// that time. Each call is one command and so one round trip, within the bound of any
// other operation, and fails with [ErrDown] while Redis does not answer.
type RedisRate struct {
	redis *Redis
	limit RateLimit
}

// Rate returns a rate.
func (r *Redis) Rate(limit RateLimit) *RedisRate { return &RedisRate{r, limit} }

// rateScript has the interval and the slack as arguments, in microseconds, and
// returns the time to wait. What is further away than the slack was written before
// the server's clock was set back.
const rateScript = `local now = redis.call('TIME')
now = now[1] * 1000000 + now[2]
local interval, slack = tonumber(ARGV[1]), tonumber(ARGV[2])
local due = tonumber(redis.call('GET', KEYS[1]) or now)
due = math.min(math.max(due, now), now + slack)
local wait = due + interval - slack - now
if wait > 0 then
  return {wait}
end
redis.call('SET', KEYS[1], string.format('%.0f', due + interval), 'PX', math.ceil((due + interval - now) / 1000))
return {0}`

// Allow implements [Rate].
func (r *RedisRate) Allow(ctx context.Context, key string) (time.Duration, error) {
	interval := max(r.limit.interval().Microseconds(), 1)
	answer, err := r.redis.eval(ctx, "allow", rateScript, key, interval, interval*int64(max(r.limit.Burst, 1)))
	if err != nil {
		return 0, err
	}
	if len(answer) != 1 {
		return 0, opError("allow", errors.New("an answer that the script does not give"))
	}
	return time.Duration(answer[0]) * time.Microsecond, nil
}
