/* The total of an order in cents: ten of one kind are sold at the price of nine. */
int total(int cents, int count) {
    return cents * (count - count / 10);
}
