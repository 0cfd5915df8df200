"""The texts of the guided tour: (English, Chinese) by key. tour.js has its twelve stops."""

TOUR: dict[str, tuple[str, str]] = {
    "tour.stop": ("Stop {k} of {n}", "第 {k} 站，共 {n} 站"),
    "tour.answer": ("Your answer", "你的答案"), "tour.check": ("Check", "检查"),
    "tour.show": ("Show me", "看答案"), "tour.next": ("Next stop", "下一站"),
    "tour.back": ("Stop before", "上一站"), "tour.leave": ("Leave", "退出导览"),
    "tour.end": ("Finish", "结束"),
    "tour.right": ("Right: {answer}.", "对，是 {answer}。"),
    "tour.shown": ("It is {answer}.", "答案是 {answer}。"),
    "tour.wrong": ("Not yet.", "还不对。"),
    "tour.number": ("Please type a number.", "请输入一个数。"),
    # 1 ------------------------------------------------------------------------------------------
    "tour.1.text": ("A window of the input times the kernel, cell by cell, all added up: that is "
                    "y(0,0) = 10.",
                    "输入的一个窗口与卷积核逐格相乘，全部加起来，就是 y(0,0) = 10。"),
    "tour.1.ask": ("Move the window one row down. What is y(1,0)?",
                   "把窗口下移一行，y(1,0) 是多少？"),
    "tour.1.hint": ("The window now covers rows 1–3, columns 0–2. Multiply each of its cells by "
                    "the kernel cell in the same place.",
                    "现在窗口覆盖第 1–3 行、第 0–2 列。把其中每一格乘以卷积核同一位置的数。"),
    "tour.1.wrong.turned": ("You turned the kernel by 180°. Forward it isn't turned: top left "
                            "meets top left.",
                            "你把卷积核转了 180°。前向时不旋转：左上对左上。"),
    "tour.1.why": ("0·1+1·2+2·1 + 1·0+2·1+1·0 + 5·2+2·1+3·0. Forward, the kernel isn't turned.",
                   "0·1+1·2+2·1 + 1·0+2·1+1·0 + 5·2+2·1+3·0。前向时卷积核不旋转。"),
    # 2 ------------------------------------------------------------------------------------------
    "tour.2.text": ("The window fits three times across and three times down, so y is 3 × 3.",
                    "窗口横向能放三处，纵向也能放三处，所以 y 是 3 × 3。"),
    "tour.2.ask": ("If the window moved two cells at a time (stride 2), how many rows would y "
                   "have?",
                   "如果窗口每次移动两格（步幅为 2），y 会有几行？"),
    "tour.2.hint": ("A 3-row window in 5 rows can start at row 0 to row 2. Which of these does "
                    "stride 2 visit?",
                    "5 行里放 3 行高的窗口，起点可以是第 0 到第 2 行。步幅为 2 会经过其中哪些？"),
    "tour.2.wrong.same": ("Three is with stride 1. With stride 2 the window skips row 1.",
                          "步幅为 1 才是三行。步幅为 2 会跳过第 1 行。"),
    "tour.2.why": ("It starts at rows 0 and 2: ⌊(5 − 3) / 2⌋ + 1 = 2.",
                   "起点是第 0 行和第 2 行：⌊(5 − 3) / 2⌋ + 1 = 2。"),
    # 3 ------------------------------------------------------------------------------------------
    "tour.3.text": ("Lay every window out as a column: then the whole convolution is one product "
                    "of two matrices.",
                    "把每个窗口摊成一列，整个卷积就成了一次矩阵乘法。"),
    "tour.3.ask": ("In how many columns of cols does the middle cell of x, (2,2), stand?",
                   "x 正中的格子 (2,2) 出现在 cols 的几列里？"),
    "tour.3.hint": ("It stands in the column of every window that reads it. Which windows do?",
                    "哪个窗口读它，它就出现在那一列。哪些窗口读它？"),
    "tour.3.wrong.once": ("cols holds a copy for every window that reads the cell, not just one.",
                          "每个读它的窗口都在 cols 里放一份副本，不止一份。"),
    "tour.3.wrong.windows": ("Three windows of one row read it, and so do those of the other rows.",
                             "同一行有三个窗口读它，其他行的窗口也读它。"),
    "tour.3.why": ("All nine windows contain the middle. Nine copies forward mean nine gradients "
                   "backward.",
                   "九个窗口都含有正中的格子。前向有九份副本，反向就有九份梯度。"),
    # 4 ------------------------------------------------------------------------------------------
    "tour.4.text": ("The rest of the network hands back G: how much the loss grows when an output "
                    "grows a little.",
                    "网络的后半部分传回 G：某个输出增加一点点，损失会增加多少。"),
    "tour.4.ask": ("G(0,0) = 2. If y(0,0) grows by 3, by how much does the loss grow?",
                   "G(0,0) = 2。如果 y(0,0) 增加 3，损失增加多少？"),
    "tour.4.hint": ("Each unit of y(0,0) counts twice.", "y(0,0) 每增加 1，损失增加 2。"),
    "tour.4.wrong.only": ("2 is for a growth of 1.", "增加 1 时才是 2。"),
    "tour.4.wrong.plus": ("Multiply them; don't add.", "要相乘，不是相加。"),
    "tour.4.why": ("2 per unit, times 3. That is all that a gradient says.",
                   "每单位 2，乘以 3。梯度说的就是这件事。"),
    # 5 ------------------------------------------------------------------------------------------
    "tour.5.text": ("An input cell reaches the loss only through the windows that read it; its "
                    "gradient comes back by the same taps.",
                    "输入格子只能通过读取它的窗口影响损失；梯度沿同样的权重位置原路返回。"),
    "tour.5.ask": ("Window (0,2) read cell (0,3) through tap (0,1). What does dX(0,3) get from it?",
                   "窗口 (0,2) 经权重位置 (0,1) 读取了格子 (0,3)。它给 dX(0,3) 多少？"),
    "tour.5.hint": ("If the cell grows by 1, y(0,2) grows by the weight, and the loss by G(0,2) "
                    "times that.",
                    "格子增加 1，y(0,2) 就增加那个权重，损失再乘以 G(0,2)。"),
    "tour.5.wrong.weight": ("The weight says how much y(0,2) grows. The loss grows by G(0,2) times "
                            "that.",
                            "权重只说明 y(0,2) 增加多少；损失还要再乘以 G(0,2)。"),
    "tour.5.wrong.plus": ("Multiply the weight by G(0,2); don't add.",
                          "要把权重乘以 G(0,2)，不是相加。"),
    "tour.5.why": ("G(0,2)·w(0,1) = (−1)·2.", "G(0,2)·w(0,1) = (−1)·2。"),
    # 6 ------------------------------------------------------------------------------------------
    "tour.6.text": ("Windows overlap: (0,0) has given 2·2 = 4 to cell (0,1). Now window (0,1) "
                    "reads it too, through tap (0,0), and gives G(0,1)·w(0,0) = 1·1.",
                    "窗口有重叠：(0,0) 已给了格子 (0,1) 2·2 = 4。"
                    "现在窗口 (0,1) 经权重位置 (0,0) 读取它，再给 G(0,1)·w(0,0) = 1·1。"),
    "tour.6.ask": ("What is dX(0,1) after both?", "两次之后 dX(0,1) 是多少？"),
    "tour.6.hint": ("Both windows use the cell, so both have a say.",
                    "两个窗口都用到这个格子，两份影响都要算。"),
    "tour.6.wrong.assigned": ("That would overwrite the 4 of window (0,0). Contributions add up.",
                              "这样就把窗口 (0,0) 的 4 覆盖掉了。贡献要累加。"),
    "tour.6.wrong.before": ("That is still without the new contribution.",
                            "这还没有算上新的贡献。"),
    "tour.6.why": ("4 + 1. Where windows overlap, gradients add; this is the += of every backward "
                   "pass.",
                   "4 + 1。窗口重叠处梯度累加，这就是反向传播里的 +=。"),
    # 7 ------------------------------------------------------------------------------------------
    "tour.7.text": ("Now ask from the other side: which windows read the middle cell (2,2), and "
                    "through which tap?",
                    "现在反过来问：哪些窗口读取正中的格子 (2,2)，各经哪个权重位置？"),
    "tour.7.ask": ("Window (0,0) reads it through which tap? Type row, column.",
                   "窗口 (0,0) 经哪个权重位置读取它？请输入“行,列”。"),
    "tour.7.hint": ("Window (0,0) begins at cell (0,0). How far from there is cell (2,2)?",
                    "窗口 (0,0) 从格子 (0,0) 开始，格子 (2,2) 离那里多远？"),
    "tour.7.wrong.first": ("Tap (0,0) of window (0,0) reads cell (0,0).",
                           "窗口 (0,0) 的权重位置 (0,0) 读的是格子 (0,0)。"),
    "tour.7.wrong.middle": ("Tap (1,1) of window (0,0) reads cell (1,1).",
                            "窗口 (0,0) 的权重位置 (1,1) 读的是格子 (1,1)。"),
    "tour.7.why": ("The first window uses the last tap, and the last window the first: so the "
                   "kernel turns by 180°.",
                   "第一个窗口用最后一个权重，最后一个窗口用第一个：卷积核就这样旋转了 180°。"),
    # 8 ------------------------------------------------------------------------------------------
    "tour.8.text": ("The kernel, turned by 180°, lies on G around cell (2,2). The small numbers "
                    "are the weights that meet each cell of G.",
                    "旋转 180° 的卷积核盖在 G 上，围着格子 (2,2)。"
                    "小字是与 G 的每一格相遇的权重。"),
    "tour.8.ask": ("Guess dX(2,2) before you go on.", "先猜一猜：dX(2,2) 是多少？"),
    "tour.8.hint": ("Multiply each cell of G by the small number below it, and add the nine "
                    "products.",
                    "把 G 的每一格乘以它下面的小字，再把九个积相加。"),
    "tour.8.wrong.unturned": ("You laid the kernel on G without turning it.",
                              "你没有旋转卷积核就放到了 G 上。"),
    "tour.8.why": ("Nine windows read the cell, so nine products add up.",
                   "九个窗口读取这个格子，所以是九个积相加。"),
    # 9 ------------------------------------------------------------------------------------------
    "tour.9.text": ("With stride 2 only every second place begins a window. The places between "
                    "have no G, so zeros stand there.",
                    "步幅为 2 时，每隔一格才开始一个窗口。中间的位置没有 G，就补上零。"),
    "tour.9.ask": ("What is dX(1,1)?", "dX(1,1) 是多少？"),
    "tour.9.hint": ("Which windows read cell (1,1)? Only G times the small number below it counts.",
                    "哪些窗口读取格子 (1,1)？只有 G 乘以下面的小字才算数。"),
    "tour.9.wrong.all": ("Not every window reads this cell.", "并不是每个窗口都读这个格子。"),
    "tour.9.why": ("Only window (0,0) reads it, through the middle tap: 2·1.",
                   "只有窗口 (0,0) 经中间的权重位置读取它：2·1。"),
    # 10 -----------------------------------------------------------------------------------------
    "tour.10.text": ("What did tap (0,0) read? Lay G on x, its cells two apart: the stride of the "
                     "forward pass has become a dilation.",
                     "权重位置 (0,0) 读了什么？把 G 放到 x 上，格子之间隔开两格："
                     "前向的步幅变成了空洞。"),
    "tour.10.ask": ("Add up G times what lies under it. What is dW(0,0)?",
                    "G 乘以它下面的数再相加，dW(0,0) 是多少？"),
    "tour.10.hint": ("Under G lie x(0,0), x(0,2), x(2,0) and x(2,2).",
                     "G 下面是 x(0,0)、x(0,2)、x(2,0) 和 x(2,2)。"),
    "tour.10.wrong.dense": ("You laid G down without gaps. With stride 2 its cells lie two apart.",
                            "你放 G 时没有留间隔。步幅为 2，它的格子要隔开两格。"),
    "tour.10.why": ("2·1+1·0 + 0·1+1·1. Nothing is turned here.",
                    "2·1+1·0 + 0·1+1·1。这里什么也不旋转。"),
    # 11 -----------------------------------------------------------------------------------------
    "tour.11.text": ("The bias was added to every output, each time with factor 1.",
                     "偏置加到了每个输出上，系数都是 1。"),
    "tour.11.ask": ("What is its gradient, db?", "它的梯度 db 是多少？"),
    "tour.11.hint": ("Add up all of G.", "把 G 全部加起来。"),
    "tour.11.wrong.count": ("That is the number of outputs. Each counts with its own G.",
                            "那是输出的个数。每个输出要按自己的 G 来算。"),
    "tour.11.wrong.mean": ("A sum, not a mean: if the loss is a mean, G already contains the "
                           "division.",
                           "是总和，不是平均：如果损失取平均，G 里已经除过了。"),
    "tour.11.why": ("The sum of G: 2+1−1 + 0+1−2 + 3+1+2.", "G 的总和：2+1−1 + 0+1−2 + 3+1+2。"),
    # 12 -----------------------------------------------------------------------------------------
    "tour.12.text": ("A 6 × 6 input with a 3 × 3 kernel and stride 2: the window can move 3 cells, "
                     "which 2 does not divide.",
                     "输入 6 × 6，卷积核 3 × 3，步幅 2：窗口可移动 3 格，不能被 2 整除。"),
    "tour.12.ask": ("What does the last row of dX hold?", "dX 的最后一行是多少？"),
    "tour.12.hint": ("Which windows read the last row?", "哪些窗口读取最后一行？"),
    "tour.12.why": ("No window reaches the last row, so nothing it holds can change the loss. You "
                    "have seen the whole backward pass: now change the numbers.",
                    "没有窗口够得着最后一行，它的值无法影响损失。"
                    "整个反向传播你都看过了：现在来改改数字吧。"),
}
