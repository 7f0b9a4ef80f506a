import Telemetry
import Testing

struct CivilTimeTests {
    /// Vienna 2026: +1 h, +2 h from 29 March 01:00 UTC, +1 h from 25 October 01:00 UTC.
    private let vienna = ZoneOffsets(
        name: "Europe/Vienna",
        initialOffsetSeconds: 3_600,
        changes: [
            .init(from: Timestamp(milliseconds: 1_774_746_000_000), offsetSeconds: 7_200),
            .init(from: Timestamp(milliseconds: 1_792_890_000_000), offsetSeconds: 3_600),
        ]
    )

    @Test func everyDayOfFourCenturiesGoesThereAndBack() {
        for day in stride(from: Int64(-146_097), through: 146_097, by: 1) {
            let date = CivilDate(daysSinceEpoch: day)
            #expect(date.daysSinceEpoch == day && date.isValid)
        }
    }

    @Test func knownDatesHaveTheirWeekdays() {
        #expect(CivilDate(year: 1970, month: 1, day: 1).weekday == 4)
        #expect(CivilDate(year: 2026, month: 3, day: 12).weekday == 4)
        #expect(CivilDate(year: 2000, month: 2, day: 29).isValid)
        #expect(!CivilDate(year: 1900, month: 2, day: 29).isValid)
    }

    @Test func timesAreWrittenAsRFC3339() {
        #expect("\(Timestamp(milliseconds: 1_792_584_930_250))" == "2026-10-21T12:15:30.250Z")
        #expect("\(Timestamp(milliseconds: -1))" == "1969-12-31T23:59:59.999Z")
        #expect("\(Timestamp(milliseconds: 0))" == "1970-01-01T00:00:00Z")
        #expect("\(Timestamp(milliseconds: 7))" == "1970-01-01T00:00:00.007Z")
        #expect("\(Timestamp(milliseconds: -2_208_988_800_000))" == "1900-01-01T00:00:00Z")
    }

    /// Years of more or fewer than four digits, as "never" has them.
    @Test func timesFarOffAreWrittenToo() {
        #expect("\(Timestamp(milliseconds: 253_402_300_799_999))" == "9999-12-31T23:59:59.999Z")
        #expect("\(Timestamp(milliseconds: 253_402_300_800_000))" == "10000-01-01T00:00:00Z")
        #expect("\(Timestamp(milliseconds: -62_167_219_200_000))" == "0000-01-01T00:00:00Z")
        #expect("\(Timestamp(milliseconds: -62_167_219_200_001))" == "00-1-12-31T23:59:59.999Z")
        #expect("\(Timestamp.distantPast)" == "-73067287-11-05T04:11:46.048Z")
        #expect("\(Timestamp.distantFuture)" == "73071226-02-26T19:48:13.951Z")
    }

    @Test func aTimeInTheSpringGapMovesForward() {
        let gap = CivilTime(date: CivilDate(year: 2026, month: 3, day: 29), minute: 150)
        // 02:30 does not exist: it is 03:30 summer time, 01:30 UTC.
        #expect("\(vienna.instant(of: gap))" == "2026-03-29T01:30:00Z")
    }

    @Test func aTimeInTheAutumnOverlapIsTheFirst() {
        let twice = CivilTime(date: CivilDate(year: 2026, month: 10, day: 25), minute: 150)
        #expect("\(vienna.instant(of: twice))" == "2026-10-25T00:30:00Z")
    }

    @Test func everyHourOfTheYearGoesThereAndBack() {
        let start = CivilDate(year: 2026, month: 1, day: 1).daysSinceEpoch * 86_400_000
        for hour in 0..<8_760 {
            let instant = Timestamp(milliseconds: start + Int64(hour) * 3_600_000)
            let back = vienna.instant(of: vienna.civil(instant))
            // Within the overlap the first of two equal local times is meant.
            #expect(back == instant || instant - back == .hours(1))
        }
    }

    @Test func theDemonstrationClockMeetsThePresentAndStays() {
        let anchor = Timestamp(milliseconds: 1_000_000_000)
        let clock = CatchUpClock(
            start: anchor - .seconds(1_000),
            anchor: anchor,
            speed: 11
        )
        #expect(clock.time(atWall: anchor) == anchor - .seconds(1_000))
        // 11 s of history a second: 1,000 s are made up for after 100 s.
        #expect(clock.time(atWall: anchor + .seconds(100)) == anchor + .seconds(100))
        #expect(clock.time(atWall: anchor + .seconds(500)) == anchor + .seconds(500))
        #expect(CatchUpClock("2,1,3") == nil && CatchUpClock("1,2,0.5") == nil)
    }
}
