import Decoding
import Support
import Telemetry
import Testing

struct PayloadDecoderTests {
    private let now = Fixtures.start
    private let speed = "Vehicle.Speed"
    private var decoder: PayloadDecoder {
        get throws { PayloadDecoder(catalogue: try Fixtures.assembly().catalogue) }
    }

    private func decode(_ text: String) throws -> Result<PayloadDecoder, Rejection> {
        var decoder = try decoder
        do throws(Rejection) {
            _ = try decoder.decodeTelemetry(Array(text.utf8).span, receivedAt: now)
            return .success(decoder)
        } catch {
            return .failure(error)
        }
    }

    private func message(_ readings: String, time: String? = "2026-03-01T00:00:00Z") -> String {
        let ts = time.map { "\"ts\":\"\($0)\"," } ?? ""
        return "{\"v\":1,\"boot\":\"b7\",\"seq\":4182,\(ts)\"readings\":\(readings)}"
    }

    @Test func theShortFormIsRead() throws {
        var decoder = try decoder
        let header = try decoder.decodeTelemetry(
            Array(message("{\"\(speed)\":42.5,\"Vehicle.IsMoving\":true}").utf8).span,
            receivedAt: now
        )
        #expect(header.boot == Array("b7".utf8) && header.sequence == 4_182)
        #expect(decoder.readings.map(\.value) == [42.5, 1])
        #expect(decoder.readings.allSatisfy { $0.observedAt == now && $0.quality == .good })
    }

    @Test func theLongFormIsReadWithUnitsAndTimes() throws {
        let decoder = try decode(
            message(
                "[{\"signal\":\"Vehicle.TraveledDistance\",\"value\":12.5,\"unit\":\"km\"},"
                    + "{\"value\":3,\"ts\":\"2026-02-28T23:00:00+01:00\",\"signal\":\"\(speed)\"}]"
            )
        ).get()
        #expect(decoder.readings.map(\.value) == [12_500, 3])
        #expect(decoder.readings.map(\.observedAt) == [now, now - .hours(2)])
    }

    @Test func fieldsComeInAnyOrderAndUnknownOnesAreSkipped() throws {
        let text =
            "{\"readings\":{\"\(speed)\":1},\"extra\":[{\"a\":[null]}],\"ts\":\"2026-03-01T00:00:00Z\",\"v\":1}"
        #expect(try decode(text).get().readings.count == 1)
    }

    @Test func oneBadReadingCostsOnlyItself() throws {
        let decoder = try decode(
            message(
                "{\"Nope\":1,\"\(speed)\":7,\"Vehicle.IsMoving\":null,\"Vehicle.Exterior.AirTemperature\":900}"
            )
        ).get()
        #expect(decoder.readings.map(\.value) == [7])
        #expect(
            decoder.rejections.map(\.reason) == [.unknownSignal, .wrongType, .outOfRange]
        )
        // The first reading's name begins after `…"readings":{`.
        #expect(decoder.rejections[0].byteOffset == message("{").utf8.count - 1)
    }

    /// Every way in which one item of a list can be wrong, beside a good one.
    @Test(arguments: [
        (
            "{\"signal\":\"Vehicle.Speed\",\"value\":1,\"ts\":\"yesterday\"}",
            RejectionReason.badTimestamp
        ),
        ("{\"signal\":\"Vehicle.Speed\",\"value\":1e999}", .outOfRange),
        ("{\"signal\":\"Vehicle.Speed\",\"value\":1,\"unit\":7}", .wrongType),
        ("{\"signal\":\"Vehicle.Speed\",\"value\":1,\"unit\":\"knots\"}", .unknownUnit),
        ("{\"signal\":3,\"value\":1}", .wrongType), ("{\"value\":1}", .missingField),
        ("{\"signal\":\"Vehicle.Speed\"}", .missingField), ("5", .wrongType), ("null", .wrongType),
    ])
    func aBadItemCostsOnlyItself(item: String, reason: RejectionReason) throws {
        let good = "{\"signal\":\"Vehicle.IsMoving\",\"value\":true}"
        let decoder = try decode(message("[\(item),\(good)]")).get()
        #expect(decoder.readings.map(\.value) == [1])
        #expect(decoder.rejections.map(\.reason) == [reason])
    }

    @Test func anItemWithoutATimeInAPacketWithoutOneCostsOnlyItself() throws {
        let text = message(
            "[{\"signal\":\"\(speed)\",\"value\":1},"
                + "{\"signal\":\"\(speed)\",\"value\":2,\"ts\":\"2026-03-01T00:00:00Z\"}]",
            time: nil
        )
        let decoder = try decode(text).get()
        #expect(decoder.readings.map(\.value) == [2])
        #expect(decoder.rejections.map(\.reason) == [.missingField])
    }

    /// A decoder that has read no date yet knows none either.
    @Test func aTimeOfNothingIsNoTime() throws {
        var decoder = try decoder
        for text in [
            "\u{0}\u{0}\u{0}\u{0}\u{0}\u{0}\u{0}\u{0}\u{0}\u{0}\u{0}10:15:30Z",
            "1970-01-0110:15:30Z",
        ] {
            let packet = "{\"v\":1,\"ts\":\"\(text)\",\"readings\":{\"\(speed)\":1}}"
            #expect(throws: Rejection.self) {
                try decoder.decodeTelemetry(Array(packet.utf8).span, receivedAt: now)
            }
        }
    }

    /// A packet that is good JSON tells its number even when it is refused, wherever that stands.
    @Test func aRefusedPacketStillTellsItsNumber() throws {
        var decoder = try decoder
        let text = "{\"v\":1,\"ts\":\"yesterday\",\"readings\":{},\"boot\":\"b\",\"seq\":7}"
        #expect(throws: Rejection.self) {
            try decoder.decodeTelemetry(Array(text.utf8).span, receivedAt: now)
        }
        #expect(decoder.header.sequence == 7 && decoder.header.boot == Array("b".utf8))
        #expect(throws: Rejection.self) {
            try decoder.decodeTelemetry(Array(text.dropLast().utf8).span, receivedAt: now)
        }
        #expect(decoder.header.sequence == nil)
    }

    @Test(arguments: [
        ("", RejectionReason.empty, 0),
        ("{", .notJSON, 1),
        ("nonsense", .notJSON, 1),
        ("[]", .wrongType, 0),
        ("{\"v\":2,\"readings\":{}}", .unsupportedVersion, 5),
        ("{\"readings\":{}}", .missingField, 0),
        ("{\"v\":1}", .missingField, 0),
        ("{\"v\":1,\"readings\":{}}", .noReadings, 0),
        ("{\"v\":1,\"v\":1}", .duplicateField, 11),
        ("{\"v\":1,\"boot\":\"b\",\"readings\":{\"Vehicle.Speed\":1}}", .missingField, 0),
        ("{\"v\":1,\"seq\":0,\"boot\":\"b\"}", .outOfRange, 13),
        ("{\"v\":1,\"ts\":\"2026-03-01T00:00:00\",\"readings\":{}}", .badTimestamp, 13),
        ("{\"v\":1,\"readings\":{\"Vehicle.Speed\":01}}", .notJSON, 36),
        ("{\"v\":1,\"readings\":{}} x", .notJSON, 22),
    ])
    func badPacketsSayWhyAndWhere(text: String, reason: RejectionReason, offset: Int) throws {
        switch try decode(text) {
        case .success: Issue.record("\(text) was accepted")
        case .failure(let rejection):
            #expect(rejection.reason == reason)
            #expect(rejection.byteOffset == offset)
        }
    }

    @Test func impossibleTimesAreRejectedOneByOne() throws {
        let decoder = try decode(
            message(
                "[{\"signal\":\"\(speed)\",\"value\":1,\"ts\":\"2026-03-01T02:59:59Z\"},"
                    + "{\"signal\":\"\(speed)\",\"value\":2,\"ts\":\"2026-03-01T03:00:01Z\"},"
                    + "{\"signal\":\"\(speed)\",\"value\":3,\"ts\":\"1999-12-31T23:59:59Z\"}]"
            )
        ).get()
        #expect(decoder.readings.map(\.value) == [1])
        #expect(decoder.rejections.map(\.reason) == [.futureTimestamp, .timestampTooOld])
    }

    @Test func limitsHoldAtTheirEdges() throws {
        func list(_ count: Int) -> String {
            message(
                "["
                    + (0..<count).map { _ in "{\"signal\":\"\(speed)\",\"value\":1}" }
                    .joined(separator: ",") + "]"
            )
        }
        #expect(try decode(list(Limits.readingsPerPacketMax)).get().readings.count == 1_024)
        #expect(throws: Rejection.self) { try decode(list(Limits.readingsPerPacketMax + 1)).get() }
        let body = message("{\"\(speed)\":1}")
        let room = Limits.payloadBytesMax - body.utf8.count
        let exact = body + String(repeating: " ", count: room)
        #expect(try decode(exact).get().readings.count == 1)
        #expect(throws: Rejection.self) { try decode(exact + " ").get() }
        let deep = { (depth: Int) in
            "{\"v\":1,\"x\":" + String(repeating: "[", count: depth)
                + String(repeating: "]", count: depth) + ","
                + message("{\"\(speed)\":1}").dropFirst().dropFirst(6)
        }
        #expect(try decode(deep(Limits.nestingDepthMax + 1)).get().readings.count == 1)
        #expect(throws: Rejection.self) { try decode(deep(Limits.nestingDepthMax + 2)).get() }
    }

    @Test(arguments: [
        ("0", 0.0), ("-0", 0), ("12.2", 12.2), ("231.5", 231.5), ("1e2", 100), ("1E-2", 0.01),
        ("123.456789012345678901234567890", 123.456789012345678901234567890),
        ("9007199254740993", 9_007_199_254_740_992), ("0.1", 0.1),
        ("0.30000000000000004", 0.30000000000000004),
    ])
    func numbersAreCorrectlyRounded(text: String, value: Double) throws {
        let path = "Vehicle.TraveledDistance"
        let result = try decode(message("{\"\(path)\":\(text)}"))
        switch result {
        case .success(let decoder) where !decoder.readings.isEmpty:
            #expect(decoder.readings[0].value == value)
        // The odometer's range cuts what only tests the number format.
        case .success(let decoder): #expect(decoder.rejections.map(\.reason) == [.outOfRange])
        case .failure(let rejection): Issue.record("\(rejection)")
        }
    }

    @Test func escapedNamesAreTheSameNames() throws {
        let decoder = try decode(message("{\"Vehicle\\u002eSpeed\":5}")).get()
        #expect(decoder.readings.map(\.value) == [5])
    }

    @Test func randomBytesNeverTrapAndNeverBecomeReadings() throws {
        var generator = SeededGenerator(seed: 20_261_121)
        var decoder = try decoder
        let seedText = Array(message("{\"\(speed)\":1}").utf8)
        for _ in 0..<20_000 {
            var bytes = seedText
            for _ in 0..<Int.random(in: 1...4, using: &generator) {
                bytes[Int.random(in: 0..<bytes.count, using: &generator)] =
                    UInt8.random(in: 0...255, using: &generator)
            }
            bytes.removeLast(Int.random(in: 0..<bytes.count, using: &generator) / 3)
            do throws(Rejection) {
                _ = try decoder.decodeTelemetry(bytes.span, receivedAt: now)
                // A changed digit is still a reading; nothing else may be.
                #expect(decoder.readings.allSatisfy { $0.value.isFinite })
            } catch {
                #expect(error.byteOffset <= bytes.count && decoder.readings.isEmpty)
            }
        }
    }

    @Test func linesOfARecordingCarryTheirArrival() throws {
        var decoder = try decoder
        let line =
            "{\"vehicle\":\"v1\",\"signal\":\"\(speed)\",\"ts\":\"2026-03-01T00:00:00Z\",\"value\":3,\"rx\":\"2026-03-01T01:00:00Z\"}"
        let receivedAt = try decoder.decodeLine(Array(line.utf8).span, clock: .distantPast)
        #expect(receivedAt == now + .hours(1))
        #expect(String(decoding: decoder.lineVehicle, as: UTF8.self) == "v1")
        let bare = line.replacing(",\"rx\":\"2026-03-01T01:00:00Z\"", with: "")
        #expect(
            try decoder.decodeLine(Array(bare.utf8).span, clock: now + .hours(5))
                == now + .hours(5)
        )
        #expect(try decoder.decodeLine(Array(bare.utf8).span, clock: .distantPast) == now)
    }

    @Test func linesOfVehiclesThatTakeTurnsAreToldApart() throws {
        var decoder = try decoder
        let signals = [speed, "Vehicle.LowVoltageBattery.CurrentVoltage", speed, "Vehicle.Speeed"]
        var changes: [Int] = []
        for turn in 0..<12 {
            let signal = signals[turn % 4]
            let line =
                "{\"vehicle\":\"v\(turn / 2 % 3)\",\"signal\":\"\(signal)\","
                + "\"ts\":\"2026-03-01T00:00:00Z\",\"value\":\(turn)}"
            let bytes = Array(line.utf8)
            let isKnown = (try? decoder.decodeLine(bytes.span, clock: now)) != nil
            #expect(isKnown == (turn % 4 != 3))
            #expect(decoder.readings.map(\.value) == (isKnown ? [Double(turn)] : []))
            #expect(String(decoding: decoder.lineVehicle, as: UTF8.self) == "v\(turn / 2 % 3)")
            changes.append(decoder.lineVehicleChanges)
        }
        // The count need only move where the vehicle does.
        for turn in 1..<12 where turn % 2 == 0 { #expect(changes[turn] > changes[turn - 1]) }
    }
}
