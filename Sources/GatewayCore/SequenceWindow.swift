package import Telemetry

/// Which sequence numbers of one boot have arrived.
///
/// Numbers start at 1. `contiguous` is the highest number up to which none is missing: the only
/// one a vehicle is told. Later runs are kept as ranges; a number whose run finds no place is
/// stored all the same and merely not confirmed yet.
package struct SequenceWindow: Sendable, Equatable {
    package var boot: [UInt8]
    package private(set) var contiguous: UInt64 = 0
    private var runs: [ClosedRange<UInt64>] = []

    package init(boot: [UInt8]) {
        self.boot = boot
    }

    /// How many numbers below the highest heard have not arrived.
    package var missing: Int {
        guard let highest = runs.last?.upperBound else { return 0 }
        let heard = runs.reduce(0) { $0 + $1.upperBound - $1.lowerBound + 1 }
        return Int(clamping: highest - contiguous - heard)
    }

    /// Notes the number that comes next where none is missing, as nearly always.
    ///
    /// False, and nothing noted, for any other.
    package mutating func follow(_ boot: [UInt8], _ number: UInt64) -> Bool {
        guard number == contiguous + 1, runs.isEmpty, self.boot == boot else { return false }
        contiguous = number
        return true
    }

    /// Notes a number; false when it has arrived before.
    package mutating func insert(_ number: UInt64) -> Bool {
        guard number > contiguous else { return false }
        let index = runs.firstIndex { $0.upperBound + 1 >= number } ?? runs.count
        if index < runs.count, runs[index].contains(number) { return false }
        if number == contiguous + 1 {
            contiguous = number
        } else if index < runs.count, runs[index].upperBound + 1 == number {
            runs[index] = runs[index].lowerBound...number
            if index + 1 < runs.count, runs[index + 1].lowerBound == number + 1 {
                runs[index] = runs[index].lowerBound...runs[index + 1].upperBound
                runs.remove(at: index + 1)
            }
        } else if index < runs.count, runs[index].lowerBound == number + 1 {
            runs[index] = number...runs[index].upperBound
        } else if runs.count < Limits.sequenceRunsMax {
            runs.insert(number...number, at: index)
        }
        if let first = runs.first, first.lowerBound == contiguous + 1 {
            contiguous = first.upperBound
            runs.removeFirst()
        }
        return true
    }

    /// Counts everything up to `number` as settled, because what is missing never comes.
    /// - Returns: how many numbers were missing.
    package mutating func skip(to number: UInt64) -> Int {
        guard number > contiguous else { return 0 }
        var missing = number - contiguous
        while let first = runs.first, first.lowerBound <= number + 1 {
            missing -= min(first.upperBound, number) - min(first.lowerBound - 1, number)
            contiguous = max(number, first.upperBound)
            runs.removeFirst()
        }
        contiguous = max(contiguous, number)
        return Int(clamping: missing)
    }

    package func encode(into writer: inout ByteWriter) {
        writer.put(boot)
        writer.put(contiguous)
        writer.put(runs.count)
        for run in runs {
            writer.put(run.lowerBound)
            writer.put(run.upperBound)
        }
    }

    package init(from reader: inout ByteReader) throws(CheckpointError) {
        boot = try reader.data()
        contiguous = try reader.unsigned()
        for _ in 0..<(try reader.count()) {
            let lower = try reader.unsigned()
            let upper = try reader.unsigned()
            guard lower <= upper else { throw reader.failure() }
            runs.append(lower...upper)
        }
    }
}
