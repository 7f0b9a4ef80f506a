/// What a crossed limit means for the driver; it decides urgency and margin.
package enum Consequence: String, CaseIterable, Sendable {
    /// A tyre losing air, brakes at their limit.
    case safety
    /// The vehicle may not start or may stop.
    case breakdown
    /// Parts and fluids that run down.
    case wear
    case comfort
}
