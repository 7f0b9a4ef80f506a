/// Functions of mathematical analysis in portable arithmetic.
///
/// The pure ring has no libm, and libm's last digit differs between machines: what is built from
/// additions, multiplications, divisions and square roots alone is the same everywhere.
/// `exponential` and `cosine` are in `Measurement.swift`.

/// The natural logarithm of a positive, normal number, to 1e-15 of its size or of one.
package func naturalLogarithm(_ number: Double) -> Double {
    var exponent = number.exponent
    var significand = number.significand
    // Centred on one, so that the series is short and ln 1 is exactly zero.
    if significand > 1.414_213_562_373_095 {
        significand /= 2
        exponent += 1
    }
    let ratio = (significand - 1) / (significand + 1)
    let square = ratio * ratio
    // ln m = 2 (r + r³/3 + r⁵/5 + …) with r at most 0.172: eleven terms.
    var sum = 1.0 / 21
    sum = sum * square + 1.0 / 19
    sum = sum * square + 1.0 / 17
    sum = sum * square + 1.0 / 15
    sum = sum * square + 1.0 / 13
    sum = sum * square + 1.0 / 11
    sum = sum * square + 1.0 / 9
    sum = sum * square + 1.0 / 7
    sum = sum * square + 1.0 / 5
    sum = sum * square + 1.0 / 3
    sum = sum * square + 1
    return 2 * ratio * sum + Double(exponent) * 0.693_147_180_559_945_3
}

/// The logarithm of the gamma function of a number of 0.001...1e6, to 1e-13 of its size or of one.
///
/// Source: Stirling's series (NIST Digital Library of Mathematical Functions, 5.11.1), from eight
/// on; below, by the recurrence of the function (5.5.1).
package func logGamma(_ number: Double) -> Double {
    var argument = number
    var product = 1.0
    while argument < 8 {
        product *= argument
        argument += 1
    }
    let inverse = 1 / argument
    let square = inverse * inverse
    var series = -691.0 / 360_360
    series = series * square + 1.0 / 1_188
    series = series * square - 1.0 / 1_680
    series = series * square + 1.0 / 1_260
    series = series * square - 1.0 / 360
    series = series * square + 1.0 / 12
    let halfLogTwoPi = 0.918_938_533_204_672_8
    let large =
        (argument - 0.5) * naturalLogarithm(argument) - argument + halfLogTwoPi + series * inverse
    return product == 1 ? large : large - naturalLogarithm(product)
}

/// The cube root of a number, to 1e-15 of its size; 0 for what is not positive and normal.
package func cubeRoot(_ number: Double) -> Double {
    guard number.isNormal, number > 0 else { return 0 }
    // A third of the bits is a third of the logarithm, near enough: the root to 6 %.
    let bias: UInt64 = 0x2a9f_7893_782d_a1ce
    var root = Double(bitPattern: number.bitPattern / 3 + bias)
    // Halley's iteration triples the digits.
    for _ in 0..<3 {
        let cube = root * root * root
        root *= (cube + 2 * number) / (2 * cube + number)
    }
    return root
}

/// The probability that a standard normal variable is below `deviations`, to 1e-7.
///
/// Source: M. Abramowitz, I. Stegun, Handbook of Mathematical Functions, 26.2.17.
package func normalProbability(below deviations: Double) -> Double {
    let size = abs(deviations)
    let ratio = 1 / (1 + 0.231_641_9 * size)
    var sum = 1.330_274_429
    sum = sum * ratio - 1.821_255_978
    sum = sum * ratio + 1.781_477_937
    sum = sum * ratio - 0.356_563_782
    sum = sum * ratio + 0.319_381_53
    let density = 0.398_942_280_401_432_7 * exponential(-size * size / 2)
    let tail = density * sum * ratio
    return deviations > 0 ? 1 - tail : tail
}
