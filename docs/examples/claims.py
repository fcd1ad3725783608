from ablations import column, mean

accuracy = column("test_acc", best=1.0, worst=0.0)
claims = {
    "The skip raises the accuracy.": mean(accuracy, skip="A") > mean(accuracy, skip="none"),
    "A and B differ by less than 0.02.": (mean(accuracy, skip="A") - mean(accuracy, skip="B")).within(0.02),
}
