import ConfigFiles
import Decoding
import Support
import Telemetry
import Testing

/// Times as senders write them.
struct SourceTimeTests {
    private let bench: SourceTrialBench
    private let now = Fixtures.start

    init() throws {
        bench = try SourceTrialBench()
    }

    private func time(_ clock: String, _ sent: String) throws -> Timestamp? {
        let unit = try bench.step(
            [
                "topic: t/{vehicle}\npayload: object\ntime: \(clock)\nsignals: [\(SourceTrialBench.volts)]\n"
            ],
            "t/c",
            "{\"v\":12.4,\"t\":\(sent)}"
        )
        if unit.readings.isEmpty {
            #expect(unit.deadLetters.first?.rejection.reason == .badTimestamp)
        }
        return unit.readings.first?.observedAt
    }

    @Test(arguments: [
        "1772323200", "1772323200.0", "1772323200000", "1772323200000000",
        "1772323200000000000", "\"1772323200\"", "\" 1772323200000 \"",
        "\"2026-03-01T00:00:00Z\"", "\"2026-03-01t01:00:00+01:00\"",
        "\"2026-03-01T01:00:00+0100\"", "\"2026-02-28T19:00:00-05\"", "\"20260301T000000Z\"",
        "\"2026-03-01 00:00:00.000Z\"", "\"2026-03-01T00:00Z\"", "\"2026-03-01T00:00:00,0Z\"",
        "\"2026-03-01 05:30:00 +0530\"",
    ])
    func aTimeIsReadHoweverItIsWritten(sent: String) throws {
        #expect(try time("/t", sent) == now)
    }

    @Test(arguments: [
        "\"2026-03-01T00:00:00\"", "\"2026-03-01\"", "\"2026-13-01T00:00:00Z\"",
        "\"2026-03-01T24:00:00Z\"", "\"2026-03-01T00:00:00+1\"", "\"01/03/2026 00:00:00\"",
        "\"2026-03-01T00:00:00Z.\"", "\"soon\"", "true", "[1772323200]", "1e30", "\"\"",
    ])
    func aTimeThatMightMeanTwoIsRefused(sent: String) throws {
        #expect(try time("/t", sent) == nil)
    }

    @Test(arguments: [
        ("{from: /t, zone: Europe/Vienna}", "2026-03-01T01:00:00"),
        ("{from: /t, zone: Europe/Vienna}", "2026-03-01 01:00"),
        // What tells its offset needs no zone.
        ("{from: /t, zone: Europe/Vienna}", "2026-03-01T00:00:00Z"),
        ("{from: /t, format: \"%d/%m/%Y %H:%M:%S\", zone: UTC}", "01/03/2026 00:00:00"),
        (
            "{from: /t, format: \"%a %b %d %H:%M:%S GMT%z %Y\"}",
            "Sun Mar 01 01:00:00 GMT+01:00 2026"
        ),
        ("{from: /t, format: \"%a %b %e %T %Y\", zone: UTC}", "Sun Mar  1 00:00:00 2026"),
        ("{from: /t, format: \"%m-%d-%y %I:%M %p\", zone: UTC}", "03-01-26 12:00 AM"),
        ("{from: /t, format: \"%F %T.%f\", zone: Asia/Shanghai}", "2026-03-01 08:00:00.000"),
        ("{from: /t, format: \"%s\"}", "1772323200"),
    ])
    func aSourceSaysHowItsTimesAreWritten(clock: String, sent: String) throws {
        #expect(try time(clock, "\"\(sent)\"") == now)
        #expect(try time(clock, "\"\(sent)!\"") == nil)
    }

    /// On 26 October 2025 the hour from 02:00 came twice in Vienna.
    @Test func aLocalTimeThatComesTwiceIsTheOneNearerToItsArrival() throws {
        let form = TimeForm(zone: ZoneOffsets.named("Europe/Vienna"))
        let text = Array("2025-10-26T02:30:00".utf8)
        let first = Timestamp(milliseconds: 1_761_438_600_000)
        for arrival in [first, first + .hours(1)] {
            #expect(form.instant(of: text, receivedAt: arrival + .minutes(2)) == arrival)
        }
        // From 02:00 to 03:00 on 30 March 2025 there was none: it counts from before the change.
        #expect(
            form.instant(of: Array("2025-03-30T02:30:00".utf8), receivedAt: first)
                == Timestamp(milliseconds: 1_743_298_200_000)
        )
    }

    @Test func anAgeCountsFromTheArrivalAndAMissingOneIsNone() throws {
        let sources = [
            "topic: t/{vehicle}\npayload: object\ntime: {arrival_minus: /_meta/age, unit: min}\n"
                + "signals: [\(SourceTrialBench.volts)]\n"
        ]
        func ages(_ payload: String) throws -> [Timestamp] {
            try bench.step(sources, "t/c", payload).readings.map(\.observedAt)
        }
        #expect(try ages("{\"v\":12,\"_meta\":{\"age\":480}}") == [now - .hours(8)])
        #expect(try ages("{\"v\":12,\"_meta\":{\"age\":\"30\"}}") == [now - .minutes(30)])
        #expect(try ages("{\"v\":12}") == [now])
        #expect(
            try bench.see(sources, "t/c", "{\"v\":12,\"_meta\":{\"age\":-1}}").reasons == [
                .badTimestamp
            ]
        )
        // The broker does not say how long it has kept a message.
        let kept = try bench.see(
            sources,
            "t/c",
            "{\"v\":12,\"_meta\":{\"age\":1}}",
            isRetained: true
        )
        #expect(kept == SourceTrialBench.Seen(ignored: 1))
    }
}
