import GatewayCore
import Support
import Telemetry
import Testing

struct SequenceWindowTests {
    /// Against the obvious definition: the highest n with 1…n all seen.
    @Test(arguments: UInt64(1)...50)
    func contiguousIsTheHighestNumberWithoutAGapBelow(seed: UInt64) {
        var generator = SeededGenerator(seed: seed)
        var window = SequenceWindow(boot: [1])
        var seen: Set<UInt64> = []
        for _ in 0..<400 {
            let number = UInt64.random(in: 1...120, using: &generator)
            let isNew = window.follow([1], number) || window.insert(number)
            #expect(isNew == seen.insert(number).inserted)
            var expected: UInt64 = 0
            while seen.contains(expected + 1) { expected += 1 }
            #expect(window.contiguous == expected)
        }
    }

    @Test func onlyTheNextNumberOfItsBootFollows() {
        var window = SequenceWindow(boot: [1])
        let packets: [(boot: [UInt8], number: UInt64)] = [([2], 1), ([1], 1), ([1], 1), ([1], 3)]
        #expect(packets.map { window.follow($0.boot, $0.number) } == [false, true, false, false])
        _ = window.insert(4)
        let followed = window.follow([1], 2)
        #expect(!followed, "3 is missing")
        #expect(window.contiguous == 1)
    }

    @Test func whatFindsNoPlaceIsNeverConfirmed() {
        var window = SequenceWindow(boot: [1])
        // Every second number: each is a run of its own.
        for number in 1...UInt64(Limits.sequenceRunsMax + 10) { _ = window.insert(number * 2) }
        #expect(window.contiguous == 0)
        for number in 1...UInt64(Limits.sequenceRunsMax + 10) { _ = window.insert(number * 2 - 1) }
        // The runs that were followed, and no further: the rest is sent again.
        #expect(window.contiguous == UInt64(Limits.sequenceRunsMax * 2 + 1))
    }

    @Test func aWindowGoesThereAndBack() throws {
        var window = SequenceWindow(boot: Array("b7".utf8))
        for number in [1, 2, 3, 7, 8, 12] as [UInt64] { _ = window.insert(number) }
        var writer = ByteWriter()
        window.encode(into: &writer)
        var reader = ByteReader(writer.bytes)
        #expect(try SequenceWindow(from: &reader) == window)
    }
}
