import Foundation
import Rules
import Testing

/// The pure ring's own functions against those of the platform.
struct SpecialFunctionsTests {
    /// Numbers of all sizes, from 1e-3 to 1e6.
    private let sizes = (0...900).map { pow(10, Double($0) / 100 - 3) }

    @Test func theLogarithmIsThePlatforms() {
        for number in sizes + [1e-300, 5e300] {
            let difference = abs(naturalLogarithm(number) - log(number))
            #expect(difference <= 1e-15 * max(1, abs(log(number))), "ln \(number)")
        }
        #expect(naturalLogarithm(1) == 0)
    }

    @Test func theLogarithmOfTheGammaFunctionIsThePlatforms() {
        for number in sizes {
            let difference = abs(logGamma(number) - lgamma(number))
            #expect(difference <= 1e-13 * max(1, abs(lgamma(number))), "ln gamma \(number)")
        }
    }

    @Test func theCubeRootIsThePlatforms() {
        for number in sizes + [1e-300, 5e300] {
            #expect(abs(cubeRoot(number) / cbrt(number) - 1) <= 1e-15, "root of \(number)")
        }
        #expect(cubeRoot(27) == 3)
        #expect(cubeRoot(0) == 0)
        #expect(cubeRoot(-8) == 0)
    }

    @Test func theNormalDistributionIsThePlatforms() {
        for step in -1_000...1_000 {
            let deviations = Double(step) / 100
            let exact = erfc(-deviations / 2.0.squareRoot()) / 2
            let difference = abs(normalProbability(below: deviations) - exact)
            #expect(difference <= 1e-7, "normal \(deviations)")
        }
    }

    @Test func theNormalDistributionEndsAtZeroAndOne() {
        #expect(normalProbability(below: -1e6) == 0)
        #expect(normalProbability(below: 1e6) == 1)
        #expect(normalProbability(below: -.infinity) == 0)
    }
}
