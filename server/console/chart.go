package console

import (
	"time"

	"drawbridge/bridge/manage"
)

// chart is logins and refusals by the hour, as bars.
type chart struct {
	Width, Height int
	Bars          []bar
	Lines         []gridLine
	Hours         []manage.Hour
	Logins        int64
	Refusals      int64
	From          time.Time
}

// bar is one column: what was good below, what was refused on top.
type bar struct {
	X, Width           int
	GoodY, GoodHeight  int
	RefusedY, RefusedH int
	Label              string // of every fourth hour
	LabelX             int
	Title              string
}

type gridLine struct {
	Y     int
	Label int64
}

// The measures of the chart, in the units of its view box.
const (
	chartHeight = 170
	chartTop    = 12
	chartBase   = 145
	chartLeft   = 44
	barStep     = 28
	barWidth    = 20
)

// newChart lays the hours out.
func newChart(hours []manage.Hour) *chart {
	c := &chart{Width: chartLeft + barStep*len(hours), Height: chartHeight, Hours: hours}
	most := int64(1)
	for _, h := range hours {
		most = max(most, h.Logins+h.Refused+h.Denials)
		c.Logins, c.Refusals = c.Logins+h.Logins, c.Refusals+h.Refused+h.Denials
	}
	most = roundUp(most)
	scale := func(n int64) int { return int(n * (chartBase - chartTop) / most) }
	for i, h := range hours {
		b := bar{X: chartLeft + i*barStep + (barStep-barWidth)/2, Width: barWidth, LabelX: chartLeft + i*barStep + barStep/2}
		b.GoodHeight, b.RefusedH = scale(h.Logins), scale(h.Refused+h.Denials)
		if h.Refused+h.Denials > 0 {
			b.RefusedH = max(b.RefusedH, 2) // one among thousands is still seen
		}
		b.GoodY = chartBase - b.GoodHeight
		b.RefusedY = b.GoodY - b.RefusedH
		if i%4 == 0 {
			b.Label = h.At.Format("15:04")
		}
		c.Bars = append(c.Bars, b)
	}
	for _, n := range []int64{0, most / 2, most} {
		c.Lines = append(c.Lines, gridLine{chartBase - scale(n), n})
	}
	if len(hours) > 0 {
		c.From = hours[0].At
	}
	return c
}

// roundUp returns a number that people read easily: 2, 4, 10, 20, 40, 100 ...
func roundUp(n int64) int64 {
	for step := int64(1); ; step *= 10 {
		for _, nice := range []int64{2, 4, 10} {
			if n <= nice*step {
				return nice * step
			}
		}
	}
}
