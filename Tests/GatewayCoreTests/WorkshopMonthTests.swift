import Support
import Testing

struct WorkshopMonthTests {
    /// A month in which everybody does anything at any time.
    @Test(arguments: [UInt64(2), 5, 6, 8])
    func nothingThatMayNotHappenDoes(seed: UInt64) throws {
        var month = try WorkshopMonth(seed: seed)
        try month.run()
        #expect(month.faults.isEmpty, "seed \(seed): \(month.faults.prefix(3))")
        // The chance reached what it is there for.
        let missed = [
            "suggestion accepted", "suggestion decline", "suggestion wait", "suggestion merge",
            "appointment arrive", "appointment finish", "appointment miss", "appointment cancel",
            "gateway hold", "gateway hold_expired", "gateway use_hold",
        ].filter { month.events[$0] == nil }
        #expect(missed.isEmpty, "seed \(seed)")
        month.idle(days: 150)
        #expect(month.faults.isEmpty, "seed \(seed): \(month.faults.prefix(3))")
        #expect(month.rotting.isEmpty, "seed \(seed): \(month.rotting.prefix(5))")
    }
}
